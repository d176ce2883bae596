import type { ReaderReports } from '@fairlead/serde'
import type { ValueSerde } from './prepare-records.ts'

/** A serde that tells the registry with which schemas a consumer group reads. */
export function reportingSerde(
  serde: ValueSerde,
  reports: Pick<ReaderReports, 'reads'>,
  group: string,
): ValueSerde {
  return {
    decoder: (written, schema) => {
      if (schema !== undefined) reports.reads({ group, written, schema })
      return serde.decoder(written, schema)
    },
    subjectVersion: (written, subject) => serde.subjectVersion(written, subject),
    isSchema: (written, schema) => serde.isSchema(written, schema),
  }
}

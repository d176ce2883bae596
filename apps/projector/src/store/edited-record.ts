import type { LogRecord } from '@fairlead/projection'
import { withoutSchemaId } from '@fairlead/serde'

/** The record with the value that somebody wrote, which has the id of its own schema before it. */
export function editedRecord(record: LogRecord, value: Uint8Array): LogRecord {
  return { ...record, value, headers: withoutSchemaId(record.headers) }
}

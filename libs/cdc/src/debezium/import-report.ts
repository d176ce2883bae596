/** What became of one setting of Debezium. */
export type ImportLine = {
  /** Of Debezium; of Kafka Connect where it has none of its own. */
  readonly key: string
  readonly value: string
  readonly outcome: ImportOutcome
  /** What to know or to do; empty when the setting was carried over as it is. */
  readonly note: string
}

export type ImportOutcome =
  /** Carried over. */
  | 'carried'
  /** The relay needs no such setting. */
  | 'needless'
  /** The relay has nothing like it, and records or operation differ. */
  | 'missing'
  /** Not said by the files, and taken for what Debezium or Connect would take. */
  | 'assumed'

export type DebeziumImport = {
  /** Settings of the relay, in the order of its help. */
  readonly settings: readonly (readonly [key: string, value: string])[]
  readonly report: readonly ImportLine[]
}

/** The files are no configuration of Debezium's connector for Postgres. */
export class NotImportableError extends Error {
  override readonly name = 'NotImportableError'
}

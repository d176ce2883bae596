import type { MetadataRecord } from './metadata-record.ts'

/**
 * What a request decides: nothing has changed yet. The shell appends the records to
 * `__cluster_metadata`, replays them once they are durable, and then sends the response. It takes
 * one decision at a time: the next one must see what this one changed.
 */
export type Decision<Response> = {
  readonly records: readonly MetadataRecord[]
  readonly response: Response
}

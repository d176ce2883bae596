import type { Outcome } from './failure.ts'
import type { RegistryRecord } from './records.ts'

/**
 * What a request comes to. The records are written as one batch, in order; the response counts only
 * once all of them do. A refusal, and an answer from what is stored already, has no records.
 */
export type Decision<Response> = {
  readonly records: readonly RegistryRecord[]
  readonly response: Outcome<Response>
}

export function refusal(response: Outcome<never>): Decision<never> {
  return { records: [], response }
}

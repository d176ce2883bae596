import type { Outcome } from '@fairlead/kafka'
import type { Column, JsonObject, Output } from '../output/output.ts'
import { EXIT, type ExitCode } from './command.ts'
import { failureOf } from './failure.ts'

type ItemResult = JsonObject & {
  readonly name: string
  readonly result: string
  readonly error: { readonly code: string; readonly message: string } | null
}

const COLUMNS: readonly Column<ItemResult>[] = [
  { title: 'name', value: ({ name }) => name },
  { title: 'result', value: ({ result }) => result },
]

/** Shows what became of each item; answers the code of the first failure. */
export function reportItems<Value>(
  output: Output,
  outcomes: readonly Outcome<Value>[],
  done: (value: Value) => string,
): ExitCode {
  const results = outcomes.map((outcome): ItemResult => {
    const { name } = outcome
    if (outcome.ok) return { name, result: done(outcome.value), error: null }
    const { code, message } = outcome.error
    return { name, result: code, error: { code, message } }
  })
  output.list(results, COLUMNS)
  return reportFailures(output, outcomes)
}

/** Tells of what failed alone; answers the code of the first failure. */
export function reportFailures(output: Output, outcomes: readonly Outcome<unknown>[]): ExitCode {
  let exitCode: ExitCode = EXIT.ok
  for (const outcome of outcomes) {
    if (outcome.ok) continue
    const failure = failureOf(outcome.error)
    output.failure(failure)
    if (exitCode === EXIT.ok) exitCode = failure.exitCode
  }
  return exitCode
}

export function succeeded<Value>(outcomes: readonly Outcome<Value>[]): readonly Value[] {
  return outcomes.flatMap((outcome) => (outcome.ok ? [outcome.value] : []))
}

import { createInterface } from 'node:readline'
import type { OperationName, Operations, WireRecord } from '../operations.ts'

export type OperationTable = {
  readonly [Name in OperationName]?: (
    fields: Operations[Name]['asks'],
  ) => Promise<Operations[Name]['answers'] | void>
}

/** Answers the operations of `operations.ts`, one JSON object a line. */
export async function serve(operations: OperationTable): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const { op, ...fields } = JSON.parse(line) as { readonly op: OperationName }
    const answer = await perform(operations, op, fields)
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
  process.exit(0)
}

async function perform(operations: OperationTable, op: OperationName, fields: object) {
  try {
    const operation = operations[op] as ((fields: object) => Promise<object | void>) | undefined
    if (operation === undefined) throw new Error(`no operation ${op}`)
    return { ok: true, ...(await operation(fields)) }
  } catch (error) {
    return { ok: false, error: error instanceof Error ? told(error) : String(error) }
  }
}

/** An error with its causes: some clients wrap what the broker said. */
function told(error: Error): string {
  const causes = error instanceof AggregateError ? error.errors : [error.cause]
  const inner = causes.filter((cause) => cause instanceof Error).map(told)
  return [`${error.name}: ${error.message}`, ...inner].join('; ')
}

export function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text, 'base64')
}

export function textOf(bytes: Uint8Array | null | undefined): string | null {
  return bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString('base64')
}

/** Whether every name occurs once: some clients hold headers in an object. */
export function headerEntries(headers: WireRecord['headers']): [string, Buffer | null][] {
  return headers.map(([name, value]) => [name, bytesOf(value)])
}

import { vi } from 'vitest'
import type { Command } from './command.ts'
import { type Terminal, runCommand } from './run-command.ts'

export type CommandRun = {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** Method and path of each request, in order. */
  readonly requests: readonly string[]
  /** Of those requests that have one. */
  readonly bodies: readonly unknown[]
  /** Of the first request. */
  readonly timeoutMs: number | undefined
}

type Answer = (request: string) => { readonly status?: number; readonly body: object }

/** Carries a command line out against a service that answers as `answer` says, by method and path. */
export function runAgainst(
  answer: Answer,
  command: Command,
  ...argv: readonly string[]
): Promise<CommandRun> {
  return runAsked({ answer, ask: undefined }, command, ...argv)
}

/** The same, on a terminal where `ask` answers. */
export async function runAsked(
  { answer, ask }: { readonly answer: Answer; readonly ask: Terminal['ask'] },
  command: Command,
  ...argv: readonly string[]
): Promise<CommandRun> {
  const timeouts = vi.spyOn(AbortSignal, 'timeout')
  const requests: string[] = []
  const bodies: unknown[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input)
    const request = `${init?.method ?? 'GET'} ${pathname}${search}`
    requests.push(request)
    if (typeof init?.body === 'string') bodies.push(JSON.parse(init.body))
    const { status = 200, body } = answer(request)
    return Promise.resolve(Response.json(body, { status }))
  })
  let stdout = ''
  let stderr = ''
  try {
    const exitCode = await runCommand([command], [...command.name.split(' '), ...argv], {
      stdout: (text) => void (stdout += text),
      stderr: (text) => void (stderr += text),
      isWatched: false,
      ask,
      env: {},
      signal: new AbortController().signal,
    })
    return { exitCode, stdout, stderr, requests, bodies, timeoutMs: timeouts.mock.calls[0]?.[0] }
  } finally {
    vi.restoreAllMocks()
  }
}

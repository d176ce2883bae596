import { vi } from 'vitest'
import type { Command } from './command.ts'
import { runCommand } from './run-command.ts'

export type CommandRun = {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** Method and path of each request, in order. */
  readonly requests: readonly string[]
  /** Of the first request. */
  readonly timeoutMs: number | undefined
}

/** Carries a command line out against a service that answers as `answer` says, by method and path. */
export async function runAgainst(
  answer: (request: string) => { readonly status?: number; readonly body: object },
  command: Command,
  ...argv: readonly string[]
): Promise<CommandRun> {
  const timeouts = vi.spyOn(AbortSignal, 'timeout')
  const requests: string[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input)
    const request = `${init?.method ?? 'GET'} ${pathname}${search}`
    requests.push(request)
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
      ask: undefined,
      env: {},
      signal: new AbortController().signal,
    })
    return { exitCode, stdout, stderr, requests, timeoutMs: timeouts.mock.calls[0]?.[0] }
  } finally {
    vi.restoreAllMocks()
  }
}

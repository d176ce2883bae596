import { createInterface } from 'node:readline/promises'
import { InterruptedError } from './command.ts'

/**
 * Asks, and resolves with the line that is typed.
 *
 * @throws {InterruptedError} after Ctrl-C and Ctrl-D, which are no answers.
 */
export async function askOnTerminal(
  question: string,
  streams: { readonly input: NodeJS.ReadableStream; readonly output: NodeJS.WritableStream },
): Promise<string> {
  const terminal = createInterface({ ...streams, terminal: true })
  try {
    return await terminal.question(question)
  } catch (error) {
    if (!(error instanceof Error && error.name === 'AbortError')) throw error
    // What the shell prints next has a line of its own.
    streams.output.write('\n')
    throw new InterruptedError()
  } finally {
    terminal.close()
  }
}

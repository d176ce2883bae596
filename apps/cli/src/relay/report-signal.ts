import { EXIT, type ExitCode } from '../command/command.ts'
import type { Output } from '../output/output.ts'
import type { SignalStatus } from './relay-api.ts'

/** Shows what became of an order. */
export function reportSignal(output: Output, status: SignalStatus): ExitCode {
  const { signalId, type, state, progress, reason } = status
  const lines = Object.entries(progress).map(([name, value]) => `${name}: ${value}`)
  output.object({ signalId, type, state, progress, reason }, [
    { title: '', text: [`${type}: ${state}`, ...lines, ''].join('\n') },
  ])
  if (state === 'done') return EXIT.ok
  const message =
    reason ?? `${type} goes on without you: GET /signals/${signalId} tells how far it is`
  output.failure({ exitCode: EXIT.failed, code: 'SIGNAL', message, hint: '' })
  return state === 'failed' ? EXIT.failed : EXIT.interrupted
}

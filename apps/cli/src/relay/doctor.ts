import { type Command, EXIT } from '../command/command.ts'
import { RELAY_OPTION, RelayApi } from './relay-api.ts'

type Finding = {
  readonly level: 'ok' | 'warning' | 'error'
  readonly check: string
  readonly text: string
}

export const RELAY_DOCTOR: Command = {
  name: 'relay doctor',
  summary: 'Looks at what a relay depends on, and says what is wrong, or will be.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: RELAY_OPTION,
  notes: `The exit code is ${EXIT.unhealthy} when there is an error. Nothing is changed.`,
  async run({ options, output }) {
    const { findings } = await new RelayApi(options).get<{ readonly findings: readonly Finding[] }>(
      '/doctor',
    )
    output.list(findings, [
      { title: '', value: ({ level }) => level },
      { title: 'check', value: ({ check }) => check },
      { title: 'what was found', value: ({ text }) => text },
    ])
    return findings.some(({ level }) => level === 'error') ? EXIT.unhealthy : EXIT.ok
  },
}

import type { Command, OptionDefinition } from './command.ts'
import { GLOBAL_OPTIONS } from './parse-command.ts'

const INDENT = '  '

/** Every command with its summary. */
export function helpOfAll(commands: readonly Command[]): string {
  return [
    "fairlead: the event backbone's command line",
    '',
    'Usage: fairlead <command> [options]',
    '',
    'Commands:',
    ...aligned(commands.map(({ name, summary }) => [name, summary])),
    '',
    'fairlead <command> --help tells more about a command.',
    '',
    'Exit codes: 0 done, 1 something failed, 2 wrong usage, 3 not found, 4 denied, 5 conflict (as a',
    'group that has members), 6 unreachable or too slow, 10 unhealthy, 130 interrupted.',
    '',
  ].join('\n')
}

export function helpOf(command: Command, hasGlobalOptions = true): string {
  const usage = `Usage: fairlead ${command.name} ${command.positionals}`.trimEnd()
  const global = hasGlobalOptions ? ['', 'For every command:', ...optionLines(GLOBAL_OPTIONS)] : []
  const own = optionLines(command.options)
  return [
    `${usage} [options]`,
    '',
    command.summary,
    ...(own.length > 0 ? ['', 'Options:', ...own] : []),
    ...global,
    ...(command.notes === undefined ? [] : ['', command.notes]),
    '',
  ].join('\n')
}

function optionLines(options: Readonly<Record<string, OptionDefinition>>): readonly string[] {
  return aligned(
    Object.entries(options).map(([name, { short, value, doc }]) => [
      `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` <${value}>`}`,
      doc,
    ]),
  )
}

function aligned(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `${INDENT}${left.padEnd(width)}  ${right}`)
}

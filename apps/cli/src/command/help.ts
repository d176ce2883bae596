import type { Command, OptionDefinition } from './command.ts'
import { GLOBAL_OPTIONS } from './parse-command.ts'

const INDENT = '  '

/** Those that read their arguments themselves. */
const OWN_ARGUMENTS: readonly (readonly [string, string])[] = [
  ['cat', "Prints and sends records, in kcat's letters."],
  ['dev', 'Starts the whole platform on this machine, as npm start does.'],
]

/** Every command with its summary. */
export function helpOfAll(commands: readonly Command[]): string {
  return [
    "fairlead: the event backbone's command line",
    '',
    'Usage: fairlead <command> [options]',
    '',
    'Commands:',
    ...aligned([
      ...commands.map(({ name, summary }) => [name, summary] as const),
      ...OWN_ARGUMENTS,
    ]),
    '',
    'fairlead <command> --help tells more about a command.',
    '',
    'Exit codes: 0 done, 1 something failed, 2 wrong usage, 3 not found, 4 denied, 5 conflict (as a',
    'group that has members), 6 unreachable or too slow, 10 unhealthy, 11 a start would change',
    'something, 130 interrupted.',
    '',
  ].join('\n')
}

/** `fairlead topic --help`: the commands that begin so; undefined when none does, or one is so called. */
export function helpOfNoun(
  commands: readonly Command[],
  argv: readonly string[],
): string | undefined {
  const asksForHelp = argv.at(-1) === '--help' || argv.at(-1) === '-h'
  const noun = argv.slice(0, -1).join(' ')
  const ofNoun = commands.filter(({ name }) => name.startsWith(`${noun} `))
  if (!asksForHelp || noun === '' || ofNoun.length === 0) return undefined
  return [
    `Usage: fairlead ${noun} <command> [options]`,
    '',
    'Commands:',
    ...aligned(ofNoun.map(({ name, summary }) => [name, summary])),
    '',
    `fairlead ${noun} <command> --help tells more about a command.`,
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

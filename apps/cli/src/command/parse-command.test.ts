import { expect, test } from 'vitest'
import { COMMANDS } from '../commands.ts'
import { brokerOptions, parseCommand } from './parse-command.ts'

test.for([
  [['topic', 'lst'], 'there is no command "topic lst"; did you mean "fairlead topic list"?'],
  [['topc', 'list'], 'there is no command "topc"; did you mean "fairlead topic"?'],
  [['topic', 'list', '-x'], 'there is no option -x'],
  [['topic', 'list', '--internl'], 'there is no option --internl; did you mean --internal?'],
  [['topic', 'create'], 'usage: fairlead topic create <topic>...'],
  [['topic', 'list', 'orders'], 'usage: fairlead topic list'],
  [['topic'], '"topic" is no command by itself: "fairlead topic --help" lists those'],
  [['relay', 'snapshot'], '"fairlead relay snapshot --help" lists those'],
] as const)('%o is refused, with what may be meant', ([argv, message]) => {
  expect(() => parseCommand(COMMANDS, argv)).toThrow(message)
})

test('a negative number is the value of the option before it', () => {
  const { options, positionals } = parseCommand(COMMANDS, [
    'group',
    'reset',
    'g',
    '--shift-by',
    '-5',
  ])
  expect(options['shift-by']).toBe('-5')
  expect(positionals).toEqual(['g'])
})

test('brokers come from the option, the environment, or the default port', () => {
  const env = { FAIRLEAD_BOOTSTRAP_SERVER: 'b:2' }
  expect(brokerOptions({ 'bootstrap-server': 'a:1, c:3' }, env).bootstrapServers).toEqual([
    'a:1',
    'c:3',
  ])
  expect(brokerOptions({}, env).bootstrapServers).toEqual(['b:2'])
  expect(brokerOptions({}, {}).bootstrapServers).toEqual(['127.0.0.1:9092'])
})

test('every command is found by its name and has a summary', () => {
  for (const { name, summary } of COMMANDS) {
    expect(parseCommand(COMMANDS, [...name.split(' '), '--help']).command.name).toBe(name)
    expect(summary).toMatch(/^[A-Z].*\.$/)
  }
})

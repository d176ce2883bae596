import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fairlead } from '../support/cli.ts'
import { RelayStack } from '../support/relay-stack.ts'

const NOTHING = 0
const USAGE = 2
const UNREACHABLE = 6
const HALT = 10
const CHANGES = 11

type Step = { readonly action: string; readonly kind: string; readonly name: string }

function actions(stdout: string): readonly string[] {
  return (JSON.parse(stdout) as readonly Step[]).map(
    ({ action, kind, name }) => `${action} ${kind} ${name}`,
  )
}

test('fairlead relay plan says what a start would do, from before the first one to after the last', async () => {
  await using stack = await RelayStack.start()
  const config = join(stack.directory, 'relay.yaml')
  await writeFile(
    config,
    `database.url: ${stack.postgres.url}\nbootstrap.servers: [${stack.broker.address}]\n`,
  )
  const plan = (...argv: readonly string[]) =>
    fairlead(['relay', 'plan', '--config', config, ...argv])

  const first = await plan('--output', 'json')
  expect(first.exitCode).toBe(CHANGES)
  expect(actions(first.stdout)).toEqual([
    'create publication fairlead_outbox',
    'create slot fairlead_relay',
    'publish snapshot outbox.events',
    'later topic outbox.event.${routedByValue}',
  ])
  const { rows } = await stack.pool.query('select from pg_replication_slots')
  expect(rows).toEqual([])

  const relay = stack.relay()
  await relay.ready()
  const beside = await plan()
  expect(beside.exitCode).toBe(NOTHING)
  expect(beside.stdout).toMatch(/wait +slot +fairlead_relay .* reads it: a start stands by/)
  await relay.stop()

  const after = await plan('--set', 'table.field.event.key=nope', '-o', 'jsonl')
  expect(after.exitCode).toBe(HALT)
  expect(after.stdout.split('\n')).toContainEqual(
    expect.stringMatching(/"halt".*"outbox.events".*no column nope/),
  )
  const wrong = await plan('--set', 'slot.nam=x')
  expect(wrong.exitCode).toBe(USAGE)
  expect(wrong.stderr).toContain('did you mean slot.name?')
  const away = await plan('--set', 'database.url=postgres://ann@127.0.0.1:1/shop')
  expect(away.exitCode).toBe(UNREACHABLE)
  const alone = await plan('--set', 'bootstrap.servers=127.0.0.1:1')
  expect(alone.exitCode).toBe(UNREACHABLE)
  expect(alone.stdout).toContain('the brokers do not answer')
})

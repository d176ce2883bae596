import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testDatabase } from '@fairlead/testing'
import { afterEach, expect, test } from 'vitest'
import type { RelayOptions } from '../options.ts'
import { RelayFixture } from '../testing/relay-fixture.ts'
import { examine } from './doctor-route.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

async function found(settings: Readonly<Record<string, string>> = {}) {
  const options: RelayOptions = fixture.options(settings)
  const heartbeat = () => fixture.relays.at(-1)?.status.heartbeat ?? null
  const parts = {
    pool: fixture.pool,
    options,
    brokerState: () => true as const,
    heartbeat,
    clockOffset: () => ({ offsetMs: 1, errorMs: 1 }),
  }
  const findings = await examine(parts)
  return new Map(findings.map(({ check, level, text }) => [check, { level, text }]))
}

test('of a relay that works nothing is wrong', async () => {
  fixture = new RelayFixture(await testDatabase())
  await fixture.started()
  await fixture.pool.query(`select relay.partition_outbox('outbox.events')`)
  const findings = await found()
  expect([...findings.values()].filter(({ level }) => level !== 'ok')).toEqual([])
  expect([...findings.keys()]).toEqual([
    'version',
    'wal_level',
    'role',
    'transactions',
    'WAL',
    'slot',
    'publication fairlead_outbox',
    'outbox.events',
    'clocks',
    'brokers',
  ])
})

test('what is wrong is told, with what to do', async () => {
  fixture = new RelayFixture(await testDatabase())
  const relay = await fixture.started()
  await relay.stop()
  await fixture.pool.query(`create table item (id int, note text);
    create table part (id int primary key, note text, size int);
    create table whole (id int, note text); alter table whole replica identity full;
    create publication fairlead_capture for table part with (publish_via_partition_root = true);
    alter publication fairlead_outbox drop table outbox.events`)
  const findings = await found({
    'capture.table.include.list': String.raw`public\.(item|part|whole)`,
    'table.field.event.key': 'no_such_column',
    'slot.failover': 'true',
  })
  expect(findings.get('slot')).toMatchObject({ level: 'warning' })
  expect(findings.get('slot')?.text).toContain('read by nobody')
  expect(findings.get('failover')?.text).toContain('FAILOVER true')
  expect(findings.get('publication fairlead_outbox')?.text).toContain('it lacks outbox.events')
  expect(findings.get('publication fairlead_capture')).toMatchObject({ level: 'error' })
  expect(findings.get('publication fairlead_capture')?.text).toContain('public.item, public.whole')
  expect(findings.get('outbox.events')).toMatchObject({ level: 'error' })
  expect(findings.get('outbox.events')?.text).toContain('no column no_such_column')
  expect(findings.get('public.item')?.text).toContain('no replica identity')
  expect(findings.get('public.part')).toMatchObject({ level: 'warning' })
  expect(findings.get('public.part')?.text).toContain('leaves note alone')
  expect(findings.get('public.whole')).toMatchObject({ level: 'ok' })
})

test('a module that the next start could not load is told of', async () => {
  fixture = new RelayFixture(await testDatabase())
  await fixture.started()
  const path = join(mkdtempSync(join(tmpdir(), 'route-')), 'route.mjs')
  writeFileSync(path, 'export const route = () => ({})')
  expect((await found({ 'route.module': path })).get('route.module')?.level).toBe('ok')
  const options = fixture.options({ 'route.module': path })
  writeFileSync(path, 'export const route = () => ({')
  const findings = await examine({
    pool: fixture.pool,
    options,
    brokerState: () => true,
    heartbeat: () => null,
    clockOffset: () => undefined,
  })
  expect(findings.find(({ check }) => check === 'route.module')).toMatchObject({
    level: 'error',
    text: expect.stringContaining('the next start would fail') as string,
  })
})

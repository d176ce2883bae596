import type { WalForecast } from '@fairlead/cdc'
import { Metrics } from '@fairlead/service'
import { expect, test } from 'vitest'
import { RelayMetrics } from './metrics.ts'

test('what is not known of the slot is absent, and not 0', async () => {
  const metrics = new Metrics({ service: 'relay', version: 'test' })
  const relay = new RelayMetrics(metrics)
  const values = async () =>
    Object.fromEntries(
      [...(await metrics.registry.metrics()).matchAll(/^(outbox_relay_\w+) (\S+)$/gm)].map(
        ([, name, value]) => [name, value],
      ),
    )
  for (const name of ['wal_limit_bytes', 'wal_used_ratio', 'wal_eta_seconds', 'timeline']) {
    expect(Object.keys(await values())).not.toContain(`outbox_relay_${name}`)
  }
  const slot = {
    lagBytes: 1,
    retainedBytes: 30,
    safeWalBytes: 70,
    isActive: true,
    walStatus: 'reserved',
  }
  const forecast: WalForecast = {
    level: 'ok',
    retainedBytes: 30,
    limitBytes: 100,
    usedRatio: 0.3,
    growthBytesPerSecond: null,
    etaSeconds: null,
  }
  relay.slotObserved(slot, forecast)
  expect(await values()).toMatchObject({
    outbox_relay_slot_safe_wal_bytes: '70',
    outbox_relay_wal_limit_bytes: '100',
    outbox_relay_wal_used_ratio: '0.3',
    outbox_relay_wal_eta_seconds: '+Inf',
  })
  // Whoever took the limit away wants no alert of it.
  relay.slotObserved(
    { ...slot, safeWalBytes: null },
    { ...forecast, limitBytes: null, usedRatio: null },
  )
  for (const name of ['slot_safe_wal_bytes', 'wal_limit_bytes', 'wal_used_ratio']) {
    expect(Object.keys(await values())).not.toContain(`outbox_relay_${name}`)
  }
})

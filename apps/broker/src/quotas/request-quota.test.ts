import { ClientQuotas, MetadataImage } from '@fairlead/metadata'
import { expect, test } from 'vitest'
import { requestQuota } from './request-quota.ts'

test('a fetch that gets no records is told to wait, however short', () => {
  const image = new MetadataImage({ clusterId: 'test-cluster-AAAAAAAAA' }).quotas
  const entity = { 'client-id': 'reader' }
  image.replay({ kind: 'ClientQuotaRecord', entity, key: 'consumer_byte_rate', value: 1_000 })
  const windows = { count: 3, windowMs: 1_000 }
  const quotas = new ClientQuotas({ image, windows, mutationWindows: windows, sensorsMax: 10 })
  let nowMs = 5_000
  const clock = { nowMs: () => nowMs, wallNowMs: () => nowMs }
  const fetch = (sizeBytes: number) => {
    const quota = requestQuota(quotas, { clientId: 'reader', clock })
    const isLetThrough = quota.mayFetch(sizeBytes)
    nowMs += 1
    const throttleMs = quota.settle('Fetch', { sizeBytes: 100, hasResponse: true })
    return { isLetThrough, throttleMs }
  }
  expect(fetch(2_000)).toEqual({ isLetThrough: true, throttleMs: 0 })
  // 2,003 bytes in 2.001 seconds: what exceeds the quota is over in a millisecond.
  expect(fetch(3)).toEqual({ isLetThrough: false, throttleMs: 2 })
  expect(fetch(3)).toEqual({ isLetThrough: false, throttleMs: 1 })
})

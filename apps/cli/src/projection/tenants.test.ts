import { expect, test } from 'vitest'
import { runAgainst } from '../command/run-against.test-fixture.ts'
import { ADD_TENANT, LIST_TENANTS } from './tenants.ts'

const ACME = {
  name: 'Acme Inc.',
  schemaName: 'tenant7_acme_inc_',
  createdAt: '2026-01-01T00:00:00Z',
}

test('tenants are listed with the schemas that show their tables', async () => {
  const { exitCode, stdout } = await runAgainst(() => ({ body: { tenants: [ACME] } }), LIST_TENANTS)
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/Acme Inc\. +tenant7_acme_inc_ +2026-01-01/)
})

test('a tenant of any name is added, and told where his views are', async () => {
  const answer = () => ({ body: ACME })
  const { stdout, requests } = await runAgainst(answer, ADD_TENANT, 'Acme Inc. & Co')
  expect(requests).toEqual(['POST /tenants?name=Acme%20Inc.%20%26%20Co'])
  expect(stdout).toBe('Acme Inc. & Co: views in tenant7_acme_inc_\n')
})

import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadProjections, refuseWithoutTenants } from './load-projections.ts'
import { accounts, totals } from './testing/accounts.test-fixture.ts'

const FIXTURE = join(import.meta.dirname, 'testing/accounts.test-fixture.ts')

async function moduleWith(source: string): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'projections-')), 'module.mjs')
  await writeFile(path, source)
  return path
}

test('the projections of all modules are collected', async () => {
  const first = await moduleWith(
    `import { accounts } from '${FIXTURE}'\nexport const projections = [accounts]`,
  )
  const second = await moduleWith(
    `import { activity, totals } from '${FIXTURE}'\nexport const projections = [totals, activity]`,
  )
  const projections = await loadProjections([first, second])
  expect(projections.map(({ name }) => name)).toEqual(['accounts', 'totals', 'activity'])
  await expect(loadProjections([first, first])).rejects.toThrow('accounts v1 is defined twice')
})

test.for([
  ['no array', 'export const projections = 1', 'does not export `projections`'],
  ['something else', 'export const projections = [{}]', 'does not export `projections`'],
  ['nothing', 'export const projection = []', 'does not export `projections`'],
  ['an error', 'throw new Error("broken")', 'broken'],
] as const)('a module that has %s is refused', async ([, source, message]) => {
  await expect(loadProjections([await moduleWith(source)])).rejects.toThrow(message)
})

test('a projection that keeps tenants apart is refused where nobody knows whose events are', () => {
  const projections = [totals, { ...accounts, tenants: 'schema' as const }]
  expect(() => refuseWithoutTenants(projections, undefined)).toThrow(
    /accounts v1 keeps tenants apart: set tenant\.header/,
  )
  refuseWithoutTenants(projections, 'tenant')
  refuseWithoutTenants([totals], undefined)
})

import { mkdtempSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadRoute, routeModuleFault } from './load-route.ts'

const EXAMPLE = join(import.meta.dirname, '../testing/regions.test-fixture.ts')

function moduleWith(source: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'route-')), 'route.mts')
  writeFileSync(path, source)
  return path
}

test('a module of TypeScript is loaded with what it imports', async () => {
  expect(loadRoute(EXAMPLE)).toBeTypeOf('function')
  expect(await routeModuleFault(EXAMPLE)).toBeUndefined()
})

test.for([
  ['nothing', 'export const other = 1', 'does not export `route`, a function'],
  ['something else', 'export const route = {}', 'does not export `route`, a function'],
  ['an async function', 'export const route = async () => ({})', 'it has to answer at once'],
  ['an error', 'throw new Error("broken")', 'broken'],
  ['an import that is not there', 'import "./nowhere.ts"', 'nowhere.ts'],
] as const)('a module that has %s is refused', async ([, source, message]) => {
  const path = moduleWith(source)
  expect(() => loadRoute(path)).toThrow(/^route\.module: /)
  expect(() => loadRoute(path)).toThrow(message)
  expect(await routeModuleFault(path)).toContain(message)
})

test('a module that has an await outside of functions, or is none, is refused', () => {
  const path = moduleWith('export const route = await Promise.resolve(() => ({}))')
  expect(() => loadRoute(path)).toThrow('has an await outside of functions')
  expect(() => loadRoute('/no/such/route.ts')).toThrow('/no/such/route.ts')
})

test('what the file has become since it was loaded is looked at, too', async () => {
  const path = moduleWith('export const route = () => ({})')
  loadRoute(path)
  writeFileSync(path, 'export const route = 1')
  utimesSync(path, 1, 1)
  expect(await routeModuleFault(path)).toContain('does not export')
})

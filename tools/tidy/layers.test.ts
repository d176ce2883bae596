import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CORES, LAYERS, layerViolations } from './layers.ts'

const ROOT = join(import.meta.dirname, '../..')

test('imports follow the table of layers', () => {
  expect(layerViolations(ROOT)).toEqual([])
})

test('the table of layers has no cycle', () => {
  const finished = new Set<string>()
  const visit = (library: string, path: readonly string[]): void => {
    expect(path, `cycle through ${library}`).not.toContain(library)
    if (finished.has(library)) return
    for (const target of LAYERS[library] ?? []) visit(target, [...path, library])
    finished.add(library)
  }
  for (const library of Object.keys(LAYERS)) visit(library, [])
})

test('every core is compiled without the types of Node', () => {
  const config = readFileSync(join(ROOT, 'tsconfig.cores.json'), 'utf8')
  const compiled = [...config.matchAll(/"libs\/([\w-]+)\/src"/g)].map(([, library]) => library)
  expect(compiled).toEqual(CORES)
})

test.for([
  ["import { x } from '@fairlead/log'", 'the edge is not in LAYERS'],
  ["import { x } from '@fairlead/base/src/lsn.ts'", 'a library is imported by its name alone'],
  ["import { x } from '../../log/src/index.ts'", 'imports stay in the workspace'],
  ["const x = await import('@fairlead/base')", 'the edge is declared in package.json'],
  ["export * from '@fairlead/testing'", 'testing is imported by tests only'],
])('%s in libs/protocol is a violation: %s', ([source = '', rule]) => {
  const root = mkdtempSync(join(tmpdir(), 'layers-'))
  mkdirSync(join(root, 'apps'))
  mkdirSync(join(root, 'examples'))
  mkdirSync(join(root, 'libs/protocol/src'), { recursive: true })
  writeFileSync(join(root, 'libs/protocol/package.json'), '{}')
  writeFileSync(join(root, 'libs/protocol/src/index.ts'), source)
  expect(layerViolations(root).map((violation) => violation.rule)).toEqual([rule])
})

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { APIS } from './index.ts'

test('docs/kafka-apis.md lists every API with the versions that are advertised', () => {
  const text = readFileSync(new URL('../../../docs/kafka-apis.md', import.meta.url), 'utf8')
  const documented = [...text.matchAll(/^\| (\d+) \| (\w+) \| (\d+-\d+) \|/gm)].map(
    ([, key, name, versions]) => `${key} ${name} ${versions}`,
  )
  const advertised = Object.values(APIS)
    .sort((left, right) => left.key - right.key)
    .map(({ key, name, minVersion, maxVersion }) => `${key} ${name} ${minVersion}-${maxVersion}`)
  expect(documented).toEqual(advertised)
})

import { mkdir, mkdtemp, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { hydrateSymlinks } from './embedded-binaries.ts'

test('links that an install script did not make are made, relative and once', async () => {
  const root = await mkdtemp(join(tmpdir(), 'binaries-'))
  const native = join(root, 'native')
  await mkdir(join(native, 'lib'), { recursive: true })
  const links = [{ source: 'native/lib/libicu.so.60.2', target: 'native/lib/libicu.so.60' }]
  await writeFile(join(root, links[0]?.source ?? ''), 'library')
  await writeFile(join(native, 'pg-symlinks.json'), JSON.stringify(links))
  await hydrateSymlinks(native)
  await hydrateSymlinks(native)
  expect(await readlink(join(native, 'lib', 'libicu.so.60'))).toBe('libicu.so.60.2')
  await rm(root, { recursive: true })
})

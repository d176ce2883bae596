import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDataFolder } from './data-folder.ts'

const someFolder = () => mkdtempSync(join(tmpdir(), 'data-folder-'))

test('a temporary folder can be entered by the user of the database, and goes at the end', async () => {
  const folder = await openDataFolder({ kind: 'ephemeral' })
  expect(statSync(folder.path).mode & 0o777).toBe(0o711)
  await folder.release()
  expect(existsSync(folder.path)).toBe(false)
})

test('a folder that a living process holds is refused', async () => {
  const path = someFolder()
  writeFileSync(join(path, 'dev.pid'), String(process.ppid))
  await expect(openDataFolder({ kind: 'given', path })).rejects.toThrow(
    `in use by process ${process.ppid}`,
  )
})

test('the lock of a process that is dead is taken over, and a release gives it back', async () => {
  const path = someFolder()
  writeFileSync(join(path, 'dev.pid'), '2147483647')
  const folder = await openDataFolder({ kind: 'given', path })
  await folder.release()
  expect(existsSync(join(path, 'dev.pid'))).toBe(false)
})

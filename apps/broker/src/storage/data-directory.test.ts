import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DirectoryLockedError, lockDirectory } from '@fairlead/runtime'
import { makeDirectory } from './durable-directory.ts'
import { WrongDirectoryError, openMetaProperties } from './meta-properties.ts'

let directory: string
const random = {
  int: (bound: number) => bound - 1,
  bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fairlead-directory-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

test('the names of all directories that are made for the data are durable', () => {
  const synced: string[] = []
  const path = join(directory, 'var', 'lib', 'kafka')
  makeDirectory(path, (parent) => synced.push(parent))
  expect(synced).toEqual([join(directory, 'var', 'lib'), join(directory, 'var'), directory])
  makeDirectory(path, (parent) => synced.push(parent))
  expect(synced).toHaveLength(3)
})

test('a directory has one owner at a time', () => {
  const release = lockDirectory(directory)
  expect(() => lockDirectory(directory)).toThrow(DirectoryLockedError)
  release()
  lockDirectory(directory)()
})

test('the lock of a process that is gone is taken over', () => {
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  symlinkSync(`${pid} 12345`, join(directory, '.lock'))
  lockDirectory(directory)()
})

test('a process that only has the process id of the dead owner does not hold its lock', () => {
  symlinkSync(`${process.pid} 1`, join(directory, '.lock'))
  lockDirectory(directory)()
})

test('the ids of a directory stay, and another node or cluster is refused', () => {
  const created = openMetaProperties(directory, { clusterId: undefined, nodeId: 1, random })
  expect(created.clusterId).toMatch(/^[\w-]{22}$/)
  expect(readFileSync(join(directory, 'meta.properties'), 'utf8')).toContain('node.id=1')

  expect(openMetaProperties(directory, { clusterId: undefined, nodeId: 1, random })).toEqual(
    created,
  )
  expect(() => openMetaProperties(directory, { clusterId: undefined, nodeId: 2, random })).toThrow(
    WrongDirectoryError,
  )
  const clusterId = 'AAAAAAAAAAAAAAAAAAAAAQ'
  expect(() => openMetaProperties(directory, { clusterId, nodeId: 1, random })).toThrow(
    WrongDirectoryError,
  )
})

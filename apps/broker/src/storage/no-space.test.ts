import type * as Fs from 'node:fs'
import { mkdtempSync, rmSync, writeFileSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRandom } from '@fairlead/runtime'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { markCleanShutdown, takeCleanShutdown } from './clean-shutdown.ts'
import { openDataDirectory } from './data-directory.ts'
import { measureVolume } from './directory-space.ts'

/** While set, files cannot be written, as on a disk that is full until the ballast is gone. */
let failWith: string | undefined
let directory: string

vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof Fs>()
  const isFull = () => failWith !== undefined && fs.existsSync(`${directory}/.ballast`)
  const refuse = (): never => {
    throw Object.assign(new Error('refused'), { code: failWith })
  }
  return {
    ...fs,
    openSync: (...args: Parameters<typeof fs.openSync>) =>
      isFull() && args[1] !== 'r' ? refuse() : fs.openSync(...args),
    symlinkSync: (...args: Parameters<typeof fs.symlinkSync>) =>
      isFull() ? refuse() : fs.symlinkSync(...args),
  }
})

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fairlead-directory-'))
  writeFileSync(join(directory, '.ballast'), 'x')
})
afterEach(() => {
  failWith = undefined
  rmSync(directory, { recursive: true })
})

describe.for(['ENOSPC', 'EDQUOT'])('a directory whose writes end with %s', (code) => {
  test('is taken without its ballast', () => {
    failWith = code
    const options = { clusterId: undefined, nodeId: 1, random: systemRandom, reserveBytes: 0 }
    openDataDirectory(directory, { ...options, measureVolume }).release()
    expect(existsSync(join(directory, '.ballast'))).toBe(false)
  })

  test('is left without the mark of a clean shutdown', () => {
    failWith = code
    markCleanShutdown(directory)
    failWith = undefined
    expect(takeCleanShutdown(directory)).toBe(false)
  })
})

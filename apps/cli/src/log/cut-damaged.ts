import { copyFile, mkdir, open, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { DamagedRange } from '@fairlead/log'
import { readSegment } from './read-segment.ts'

const SEGMENT_FILE = /^(\d{20})\.(log|idx)$/
const STATE_FILE = /^(\d{20})\.snap$/

/**
 * Ends a partition before its damage. The files as they were go to a folder beside it, whose name is
 * returned: first a copy of the damaged segment, then whatever is behind it. A crash in between leaves
 * a log that is damaged still, or ends where it should, and never one with a hole.
 */
export async function cutDamaged(
  directory: string,
  { segment, fromOffset }: DamagedRange,
): Promise<string> {
  const aside = `${directory}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`
  await mkdir(aside)
  const names = await readdir(directory)
  const name = fileName(segment.baseOffset, 'log')
  await copyFile(join(directory, name), join(aside, name))
  await syncPath(join(aside, name))
  await syncPath(aside)
  // The newest first: what is left is always the beginning of the log.
  for (const later of names.toSorted().toReversed()) {
    if (isBehind(later, { baseOffset: segment.baseOffset, fromOffset })) {
      await rename(join(directory, later), join(aside, later))
    }
  }
  await truncateAt(join(directory, name), fromOffset)
  await syncPath(directory)
  await syncPath(aside)
  return aside
}

/** Later segments, the index of the damaged one, which is made anew, and states of what is cut. */
function isBehind(
  name: string,
  { baseOffset, fromOffset }: { readonly baseOffset: number; readonly fromOffset: number },
): boolean {
  const [, base, kind] = SEGMENT_FILE.exec(name) ?? []
  if (base !== undefined) {
    return Number(base) > baseOffset || (Number(base) === baseOffset && kind === 'idx')
  }
  const state = STATE_FILE.exec(name)?.[1]
  return state !== undefined && Number(state) > fromOffset
}

async function truncateAt(path: string, fromOffset: number): Promise<void> {
  const position = await positionOf(path, fromOffset)
  const file = await open(path, 'r+')
  try {
    await file.truncate(position)
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** Where the batch with this offset, or the first bytes that are none, begin. */
async function positionOf(path: string, fromOffset: number): Promise<number> {
  let end = 0
  for await (const found of readSegment(path)) {
    if ('problem' in found || !found.isValid) return found.position
    if (found.header.baseOffset >= fromOffset) return found.position
    end = found.position + found.header.sizeBytes
  }
  return end
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function fileName(baseOffset: number, suffix: string): string {
  return `${String(baseOffset).padStart(20, '0')}.${suffix}`
}

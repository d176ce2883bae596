import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { isShortage } from '@fairlead/log'
import { syncDirectory } from './durable-directory.ts'

/** Kafka's name and content. */
const FILE = '.kafka_cleanshutdown'
const CONTENT = '{"version":0,"brokerEpoch":0}'

/**
 * Says that every log of the directory was flushed and closed. Call it last. On a full disk, or
 * without a file left, it may stay unsaid, as after a crash.
 */
export function markCleanShutdown(directory: string): void {
  try {
    const file = openSync(join(directory, FILE), 'w')
    try {
      writeSync(file, CONTENT)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    syncDirectory(directory)
  } catch (error) {
    if (!isShortage(error)) throw error
  }
}

/**
 * Whether the directory was left in order; the mark is taken away, and stays away whatever happens
 * next. A directory that is new was not.
 */
export function takeCleanShutdown(directory: string): boolean {
  const path = join(directory, FILE)
  if (!existsSync(path)) return false
  rmSync(path)
  syncDirectory(directory)
  return true
}

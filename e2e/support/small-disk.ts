import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system of its own, in memory, that is full after a few bytes. Only root has one. */
export class SmallDisk implements Disposable {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  /** For whoever owns `ownedLike`. @throws when this process may not mount one. */
  static mount({ sizeBytes, ownedLike }: { sizeBytes: number; ownedLike: string }): SmallDisk {
    const directory = mkdtempSync(join(tmpdir(), 'fairlead-small-disk-'))
    try {
      const options = ['-t', 'tmpfs', '-o', `size=${sizeBytes},mode=0700`, 'tmpfs', directory]
      execFileSync('mount', options, { stdio: 'pipe' })
    } catch (error) {
      rmSync(directory, { recursive: true })
      throw error
    }
    const { uid, gid } = statSync(ownedLike)
    chownSync(directory, uid, gid)
    return new SmallDisk(directory)
  }

  static get isPossible(): boolean {
    try {
      using disk = SmallDisk.mount({ sizeBytes: 65_536, ownedLike: tmpdir() })
      return disk.directory !== ''
    } catch {
      return false
    }
  }

  /** Also while files of it are open: they are gone with the last of them. */
  [Symbol.dispose](): void {
    execFileSync('umount', ['--lazy', this.directory], { stdio: 'pipe' })
    rmSync(this.directory, { recursive: true })
  }
}

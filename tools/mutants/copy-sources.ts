import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Mutant } from './mutants.ts'

const ROOT = join(import.meta.dirname, '../..')
const WORKSPACES = '@fairlead'

/** A copy of everything that git knows, with the dependencies of this checkout; its root. */
export function copySources(): string {
  const root = mkdtempSync(join(tmpdir(), 'fairlead-mutants-'))
  const listed = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    {
      cwd: ROOT,
      encoding: 'utf8',
    },
  )
  for (const path of listed.split('\0').filter((name) => name !== '')) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    cpSync(join(ROOT, path), join(root, path))
  }
  const modules = join(root, 'node_modules')
  mkdirSync(modules)
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== WORKSPACES) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  // These are relative links: copied, they lead to the workspaces of the copy.
  cpSync(join(ROOT, 'node_modules', WORKSPACES), join(modules, WORKSPACES), {
    recursive: true,
    verbatimSymlinks: true,
  })
  return root
}

/** Applies a mutant to the sources under `root`; the function that undoes it. */
export function edited(root: string, mutant: Mutant): () => void {
  const path = join(root, mutant.file)
  const source = readFileSync(path, 'utf8')
  writeFileSync(path, mutated(source, mutant))
  return () => writeFileSync(path, source)
}

/** @throws {Error} unless the text that the mutant replaces stands in the source exactly once. */
export function mutated(source: string, { file, before, after }: Mutant): string {
  const count = source.split(before).length - 1
  if (count !== 1) {
    throw new Error(`${file} holds ${count} times, not once:\n${before}`)
  }
  return source.replace(before, () => after)
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../../support/cache.ts'
import { isInstalled, run } from '../../support/command.ts'

const INSTALL_TIMEOUT_MS = 900_000

/** Why this machine runs no Python; undefined when it does. */
export function pythonAbsence(): string | undefined {
  return isInstalled('python3') ? undefined : 'no python3 in the path'
}

/** The interpreter of a virtual environment that has what a requirements file lists. */
export async function pythonWith(requirementsFile: string): Promise<string> {
  const recipe = await readFile(requirementsFile, 'utf8')
  // A virtual environment cannot be moved: packages go to a folder of their own beside it.
  const packages = await cached('python', recipe, async (target) => {
    await run('python3', ['-m', 'venv', '--copies', join(target, 'venv')])
    const python = join(target, 'venv/bin/python')
    const options = ['--quiet', '--disable-pip-version-check', '-r', requirementsFile]
    await run(python, ['-m', 'pip', 'install', ...options], { timeoutMs: INSTALL_TIMEOUT_MS })
  })
  return join(packages, 'venv/bin/python')
}

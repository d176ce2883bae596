#!/usr/bin/env node
import { once } from 'node:events'
import { type CatTerminal, runCat } from './cat/cat.ts'
import { askOnTerminal } from './command/ask-on-terminal.ts'
import { runCommand } from './command/run-command.ts'
import { EXIT } from './command/command.ts'
import { helpOfAll } from './command/help.ts'
import { COMMANDS } from './commands.ts'

process.exitCode = await main(process.argv.slice(2))

async function main([name, ...argv]: readonly string[]): Promise<number> {
  switch (name) {
    case 'dev': {
      // Brings Postgres along: nothing that the other commands should load.
      const { dev } = await import('./dev/command.ts')
      return dev(argv)
    }
    case 'cat':
      return runCat(argv, terminal())
    case 'help':
      if (argv.length > 0) return main([...argv, '--help'])
      process.stdout.write(helpOfAll(COMMANDS))
      return EXIT.ok
    case undefined:
    case '--help':
    case '-h':
      process.stdout.write(helpOfAll(COMMANDS))
      return EXIT.ok
    default:
      return runCommand(COMMANDS, [name, ...argv], terminal())
  }
}

function terminal(): CatTerminal {
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort())
  process.once('SIGTERM', () => interrupted.abort())
  // The reader of a pipe has gone, as `| head` does: nobody wants the rest.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed)
  })
  return {
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    isWatched: process.stderr.isTTY,
    write: async (bytes) => {
      if (!process.stdout.write(bytes)) await once(process.stdout, 'drain')
    },
    stdin: process.stdin,
    ask: process.stdin.isTTY
      ? (question) => askOnTerminal(question, { input: process.stdin, output: process.stderr })
      : undefined,
    env: process.env,
    signal: interrupted.signal,
  }
}

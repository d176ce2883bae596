import { packLibraries } from './pack-libraries.ts'

const [directory] = process.argv.slice(2)
if (directory === undefined) {
  console.error(
    'Usage: npm run pack -- <folder>    Writes one tarball per library of the SDK into it.',
  )
  process.exit(2)
}
for (const tarball of await packLibraries(directory)) console.log(tarball)

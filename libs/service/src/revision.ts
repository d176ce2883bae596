const noted = process.env['FAIRLEAD_REVISION'] ?? ''

/**
 * The commit that the running code was built from, as the build has noted it. A checkout that is run as it is has no such
 * note, and nobody is asked: what is checked out by now need not be what runs.
 */
export const REVISION: string = noted === '' ? 'unknown' : noted

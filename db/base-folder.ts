import path from 'node:path'

/** A package has what was made of the sources, since Node reads no TypeScript below node_modules. */
const isPackage = !import.meta.filename.endsWith('.ts')

/**
 * Where relative paths of settings begin. A checkout keeps its data with it, in whichever folder the process was started; a package is
 * replaced as a whole by the next version, so that its data is in the folder where it was started.
 */
export const BASE_FOLDER = isPackage ? process.cwd() : path.join(import.meta.dirname, '..')

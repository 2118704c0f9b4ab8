import type { ExportVerification } from './export-check.js'

/** Why an export is not taken in. */
export type ImportRefusalReason =
  /** It does not verify: `verification` says where. */
  | 'unverified'
  /** A key was given, and nothing in it is covered by a signature. */
  | 'unsigned'
  /** It is of another tenant, whose name is in every hash. */
  | 'tenant'
  /** One of its events is another one in the database. */
  | 'conflict'
  /** What its first events follow from is not in the database. */
  | 'gap'
  /** An event this version cannot read or store. */
  | 'unreadable'
  /** The database, or the file, changed while it was imported: what was written is a valid log. */
  | 'moved'

/** The export was not imported, or not to its end. Only `moved` may come after something was written. */
export class ImportRefusal extends Error {
  constructor(
    readonly reason: ImportRefusalReason,
    message: string,
    readonly verification: ExportVerification | null = null,
  ) {
    super(message)
    this.name = 'ImportRefusal'
  }
}

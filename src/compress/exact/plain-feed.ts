/** The plain bytes of a gzip file's members, one after the other, from somebody who inflates it anyway. */
export interface PlainFeed {
  /**
   * The next plain bytes of a member, valid until more are asked for; or where in the file its deflate stream ends; or null
   * when it cannot be inflated.
   */
  next(): Promise<Uint8Array | number | null>;
  /** Nothing more is asked for. */
  close(): void;
}

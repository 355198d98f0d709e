/** Where the contents of a tar's members go. */
export interface TarContentSink {
  /** A member with contents begins. */
  begin(name: string, sizeBytes: number): Promise<void> | undefined;
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** The member's contents are complete, or the tar has ended in the middle of them. */
  end(): Promise<void> | undefined;
}

/** A version that must be there. */
export interface Version {
  /** The snapshot's. */
  id: string;
  reference: string;
  /** Key of the archive that was saved. */
  image: string;
  createdAt: string;
  /** It must load exactly. One that is not whole loads exactly or is said to be incomplete or damaged, never anything else. */
  whole: boolean;
}

/** What must be in one pool: all that is known about it without looking into its packs. */
export class PoolModel {
  readonly versions = new Map<string, Version>();
  /** Some file is not what its name says: which versions load is then found out by loading, and only what loaded must go on doing so. */
  injured = false;
  /** False when it has to be looked which of the versions load. */
  isSure = true;

  /** Newest first within each reference, as `log` lists them. */
  byReference(): Map<string, Version[]> {
    const lists = new Map<string, Version[]>();
    for (const version of this.versions.values()) {
      const list = lists.get(version.reference);
      if (list) list.push(version);
      else lists.set(version.reference, [version]);
    }
    for (const list of lists.values()) list.sort(newestFirst);
    return lists;
  }

  /** One of the versions, the same for the same number. */
  pick(number: number): Version | null {
    const all = [...this.versions.values()].sort(newestFirst);
    return all[number % all.length] ?? null;
  }

  get isWhole(): boolean {
    return !this.injured && [...this.versions.values()].every(({ whole }) => whole);
  }
}

function newestFirst(a: Version, b: Version): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? 1 : -1;
  return a.id < b.id ? 1 : -1;
}

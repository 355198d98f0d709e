/** How many versions to keep by each rule; a version that any rule keeps stays. */
export interface KeepRules {
  last?: number;
  hourly?: number;
  daily?: number;
  weekly?: number;
  monthly?: number;
  yearly?: number;
  /** A duration such as `30d`, `1y6m`, `12h`, counted back from the newest version of the reference. */
  within?: string;
  /** Patterns of the references concerned: `app:1.*`; without a colon they are matched with the repository. Default: all. */
  references?: string[];
}

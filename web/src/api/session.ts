/** Whether the server still knows this browser. Sessions end while pages are open. */

type Watcher = () => void;

class Session {
  private readonly watchers = new Set<Watcher>();
  ended = false;

  watch = (watcher: Watcher): Watcher => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  set(ended: boolean) {
    if (this.ended === ended) return;
    this.ended = ended;
    for (const watcher of this.watchers) watcher();
  }
}

export const session = new Session();

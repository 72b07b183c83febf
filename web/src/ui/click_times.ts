/** From a click to the frame that shows its mask, as entries of the browser's user timing. */

const NAME = "anymask:click-to-mask";

export class ClickTimes {
  private readonly asked = new Map<number, number>(); // question to time
  private shown: number | null = null;

  /** A question was asked by a gesture that ended at `time`. */
  begin(question: number, time: number): void {
    this.asked.set(question, time);
  }

  /** Its answer is in the scene; the next frame shows it. */
  answered(question: number): void {
    this.shown = question;
  }

  /** A frame has been drawn; its entry ends when the browser has taken it over. */
  painted(): void {
    const start = this.shown === null ? undefined : this.asked.get(this.shown);
    this.shown = null;
    if (start === undefined) return;
    this.asked.clear();
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => performance.measure(NAME, { start, end: performance.now() });
    port2.postMessage(null);
  }
}

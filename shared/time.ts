/** A new point in time, seconds later (or earlier, when negative). */
export const secondsAfter = (time: Date, seconds: number): Date => new Date(time.getTime() + seconds * 1000);

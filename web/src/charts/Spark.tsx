/** A row of small columns beside a number; the number says the sum, the columns when. */
export function Spark({ values, label, color = "var(--accent)" }: { values: number[]; label: string; color?: string }) {
  const top = Math.max(1e-9, ...values);
  const n = Math.max(1, values.length);
  return (
    <svg role="img" aria-label={label} viewBox={`0 0 ${n} 16`} preserveAspectRatio="none" className="inline-block h-4 w-24">
      <line x1="0" x2={n} y1="15.5" y2="15.5" stroke="var(--line)" strokeWidth="1" vectorEffect="non-scaling-stroke" />
      {values.map((value, i) => {
        const tall = value > 0 ? Math.max(2, (value / top) * 15) : 0;
        // biome-ignore lint/suspicious/noArrayIndexKey: a column is its place in time
        return tall > 0 && <rect key={i} x={i + 0.1} width={0.8} y={15.5 - tall} height={tall} fill={color} />;
      })}
    </svg>
  );
}

export function Logo({ size = 20 }: { size?: number }) {
  return (
    <span className="inline-flex items-center gap-2 font-semibold tracking-tight" style={{ fontSize: size * 0.8 }}>
      <svg aria-hidden="true" width={size} height={size} viewBox="0 0 32 32">
        <rect width="32" height="32" rx="7" className="fill-accent" />
        <path d="M9 8h14v3.500H13v3h8V18h-8v3h10v3.500H9z" className="fill-on-accent" />
      </svg>
      Exhibit
    </span>
  );
}

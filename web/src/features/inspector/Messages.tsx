/** What was said to a model and what it answered, as a conversation. */
import { useState } from "react";
import type { Message, MessagePart } from "../../api/types";
import { bytes } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { JsonTree } from "./JsonTree";
import { LongText } from "./LongText";
import { useOpen } from "./useSought";

const LOOK: Record<string, { label: string; style: string }> = {
  system: { label: "System", style: "border-dashed bg-sunken" },
  developer: { label: "Developer", style: "border-dashed bg-sunken" },
  user: { label: "User", style: "bg-surface" },
  assistant: { label: "Assistant", style: "bg-selected/50 border-accent/30" },
  tool: { label: "Tool", style: "bg-sunken" },
};

export function Messages({ messages, output = false }: { messages: Message[]; output?: boolean }) {
  return (
    <ol className="space-y-2">
      {messages.map((message, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a recorded conversation does not change its order
        <Bubble key={i} message={message} folded={!output && (message.role === "system" || message.role === "developer") && messages.length > 1} />
      ))}
    </ol>
  );
}

function Bubble({ message, folded }: { message: Message; folded: boolean }) {
  const [open, setOpen] = useOpen(!folded, message);
  const look = LOOK[message.role] ?? { label: message.role, style: "bg-surface" };
  return (
    <li className={`rounded-md border px-3 py-2 ${look.style}`}>
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="flex w-full items-center gap-1.5 text-left text-xs font-semibold text-muted">
        {look.label}
        {message.name && <span className="font-normal">{message.name}</span>}
        <Icon name="chevron" size={10} className={`ml-auto ${open ? "rotate-90" : ""}`} />
      </button>
      {open ? (
        <div className="mt-1 space-y-2 text-sm">
          {message.parts.map((part, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: parts keep their order
            <Part key={i} part={part} />
          ))}
          {message.parts.length === 0 && <p className="text-muted">says nothing</p>}
        </div>
      ) : (
        <p className="truncate text-sm text-muted" dir="auto">{first(message)}</p>
      )}
    </li>
  );
}

export const first = (message: Message): string => {
  const part = message.parts[0];
  if (!part) return "";
  return typeof part.content === "string" ? part.content.slice(0, 200) : (part.name ?? part.type);
};

function Part({ part }: { part: MessagePart }) {
  switch (part.type) {
    case "text":
      return typeof part.content === "string" ? <LongText text={part.content} /> : <JsonTree value={part.content} />;
    case "reasoning":
    case "thinking":
      return <Thinking part={part} />;
    case "tool_call":
      return (
        <div className="rounded border bg-surface">
          <p className="flex items-center gap-1.5 border-b px-2 py-1 text-xs">
            <Icon name="tool" size={12} className="text-[var(--kind-tool)]" />
            calls <span className="num font-medium">{part.name ?? "a tool"}</span>
            {part.id && <span className="ml-auto truncate num text-muted">{part.id}</span>}
          </p>
          <div className="p-2 pl-5">{<JsonTree value={part.arguments ?? null} />}</div>
        </div>
      );
    case "tool_call_response":
    case "tool_result":
      return (
        <div className="rounded border bg-surface">
          <p className="flex items-center gap-1.5 border-b px-2 py-1 text-xs">
            <Icon name="tool" size={12} className="text-[var(--kind-tool)]" />
            answers {part.id && <span className="num text-muted">{part.id}</span>}
          </p>
          <div className="p-2 pl-5"><JsonTree value={part.response ?? part.result ?? part.content ?? null} /></div>
        </div>
      );
    default: {
      const image = imageOf(part);
      if (image) return <Image source={image} />;
      const place = placeOf(part);
      if (place) return <p className="rounded border border-dashed px-2 py-1 text-xs text-muted"><span className="isolate-text num">{place}</span>: not in the record, and nothing is fetched from elsewhere</p>;
      return <div className="rounded border p-2 pl-5"><p className="-ml-3 mb-1 text-xs text-muted">{part.type}</p><JsonTree value={part} /></div>;
    }
  }
}

function Thinking({ part }: { part: MessagePart }) {
  const [open, setOpen] = useOpen(false, part);
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)} className="rounded border border-dashed p-2">
      <summary className="truncate text-xs text-muted"><span className="font-semibold">Thinking</span> {typeof part.content === "string" && part.content.slice(0, 120)}</summary>
      <div className="mt-1 text-muted italic">{typeof part.content === "string" ? <LongText text={part.content} /> : <JsonTree value={part.content ?? part} />}</div>
    </details>
  );
}

/** Only images that are in the record itself: nothing is fetched from elsewhere. */
function imageOf(part: MessagePart): string | null {
  const data = [part.data, part.content, part.uri, part.url].find((it) => typeof it === "string");
  const type = [part.mime_type, part.media_type].find((it) => typeof it === "string") as string | undefined;
  if (typeof data !== "string" || !data) return null;
  if (/^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$/.test(data)) return data;
  if (type && /^image\/(png|jpeg|gif|webp)$/.test(type) && /^[A-Za-z0-9+/=]+$/.test(data)) return `data:${type};base64,${data}`;
  return null;
}

/** Where something is that the record only points to. */
function placeOf(part: MessagePart): string | null {
  const at = [part.uri, part.url, part.file_id].find((it) => typeof it === "string");
  return typeof at === "string" && at.length <= PLACE_MAX && !at.startsWith("data:") ? at : null;
}

const PLACE_MAX = 4_000;
/** Larger ones are drawn when asked for. */
const THUMBNAIL_MAX = 1_400_000;

function Image({ source }: { source: string }) {
  const [open, setOpen] = useState(source.length <= THUMBNAIL_MAX ? "small" : "no");
  if (open === "no") {
    return (
      <button type="button" onClick={() => setOpen("large")} className="rounded border px-2 py-1 text-xs text-muted hover:bg-hover">
        Show the image ({bytes(Math.round((source.length * 3) / 4))})
      </button>
    );
  }
  if (open === "broken") return <p className="rounded border border-dashed px-2 py-1 text-xs text-muted">An image that does not decode ({bytes(Math.round((source.length * 3) / 4))})</p>;
  const large = open === "large";
  return (
    <button type="button" aria-label={large ? "Make the image smaller" : "Make the image larger"} onClick={() => setOpen(large ? "small" : "large")} className={large ? "cursor-zoom-out" : "cursor-zoom-in"}>
      <img src={source} alt="In the message" loading="lazy" decoding="async" onError={() => setOpen("broken")} className={`rounded border bg-sunken ${large ? "max-h-[80dvh] min-w-40" : "max-h-40 max-w-60"}`} />
    </button>
  );
}

/** The trace as a graph. Loaded when it is opened: the graph library is the largest part of the page. */
import { Background, Controls, type Edge, type Node as FlowNode, Handle, MiniMap, type NodeProps, Position, ReactFlow, ReactFlowProvider } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { useMemo, useState } from "react";
import { useDark } from "../../shell/theme";
import { Button } from "../../ui/controls";
import { count, duration } from "../../ui/format";
import { kindColor, resolved } from "../../ui/kind";
import { KindGlyph } from "../../ui/marks";
import { type Graph, type GraphNode, graph } from "./fns/graph";
import { HEIGHT, layout, WIDTH } from "./fns/layout";
import type { TraceModel } from "./fns/model";

type Data = { it: GraphNode; chosen: boolean; onPath: boolean };

const Step = ({ data }: NodeProps<FlowNode<Data>>) => {
  const { it, chosen, onPath } = data;
  return (
    <div
      className={`relative flex h-full items-center gap-2 rounded-md border bg-surface px-2.5 text-left ${chosen ? "ring-2 ring-accent" : onPath ? "border-accent" : "border-strong"} ${it.group ? "shadow-[3px_3px_0_var(--line),3px_3px_0_1px_var(--strong)]" : ""}`}
      style={{ width: WIDTH, height: HEIGHT, borderLeft: `4px solid ${kindColor(it.kind)}` }}
    >
      <Handle type="target" position={Position.Left} className="!size-1 !min-h-0 !min-w-0 !border-0 !bg-transparent" />
      <KindGlyph kind={it.kind} />
      <div className="min-w-0 flex-1">
        <p className={`truncate text-sm font-medium ${it.errors ? "text-error" : ""}`} title={it.label}>{it.label}</p>
        <p className="truncate num text-xs text-muted">
          {it.group && `× ${count(it.members.length)} · `}
          {it.running ? "running" : duration(it.ms)}
          {it.errors > 0 && ` · ${it.errors} failed`}
        </p>
      </div>
      <Handle type="source" position={Position.Right} className="!size-1 !min-h-0 !min-w-0 !border-0 !bg-transparent" />
    </div>
  );
};
const TYPES = { step: Step };

interface Props {
  model: TraceModel;
  version: number;
  now: number;
  selected: string | undefined;
  name: string;
  onSelect: (id: string) => void;
}

export function Dag({ model, version, now, selected, name, onSelect }: Props) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const dark = useDark();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version is another graph
  const it = useMemo(() => graph(model, open, now), [model, version, open]);
  const shape = it.nodes.map((node) => node.id).join("\n");
  // biome-ignore lint/correctness/useExhaustiveDependencies: places depend on the shape only
  const places = useMemo(() => layout(it), [shape]);
  const chosen = selected ? it.of.get(selected) : undefined;
  const onPath = useMemo(() => new Set(selected ? model.path(selected).map((node) => it.of.get(node.id)) : []), [selected, model, it]);

  const nodes: FlowNode<Data>[] = it.nodes.map((node) => ({
    id: node.id, type: "step", position: places.get(node.id) ?? { x: 0, y: 0 }, width: WIDTH, height: HEIGHT,
    data: { it: node, chosen: node.id === chosen, onPath: onPath.has(node.id) }, draggable: false,
    ariaLabel: `${node.label}, ${node.kind}${node.group ? `, ${node.members.length} steps` : ""}`,
  }));
  const edges: Edge[] = it.edges.map((edge) => {
    const path = onPath.has(edge.from) && onPath.has(edge.to);
    return { id: `${edge.from}→${edge.to}`, source: edge.from, target: edge.to, style: { stroke: path ? "var(--accent)" : "var(--strong)", strokeWidth: path ? 2 : 1.2 } };
  });
  return (
    <div className="relative h-full">
      <ReactFlowProvider>
        <ReactFlow
          nodes={nodes}
          edges={edges}
          nodeTypes={TYPES}
          fitView
          fitViewOptions={{ maxZoom: 1, padding: 0.08 }}
          minZoom={0.05}
          onlyRenderVisibleElements
          nodesConnectable={false}
          colorMode={dark ? "dark" : "light"}
          proOptions={{ hideAttribution: true }}
          onNodeClick={(_, node) => onSelect((node.data as Data).it.members[0]?.id ?? "")}
          onNodeDoubleClick={(_, node) => {
            if ((node.data as Data).it.group) setOpen((now) => new Set(now).add(node.id));
          }}
        >
          <Background gap={24} color="var(--line)" />
          <MiniMap pannable zoomable nodeColor={(node) => kindColor((node.data as Data).it.kind)} className="max-sm:hidden" />
          <Controls showInteractive={false} />
        </ReactFlow>
      </ReactFlowProvider>
      <div className="absolute top-2 right-2 flex items-center gap-2">
        {it.left > 0 && <span className="rounded bg-surface px-2 text-xs text-muted">{count(it.left)} steps are not drawn</span>}
        {open.size > 0 && <Button small onClick={() => setOpen(new Set())}>Close groups</Button>}
        <Button small icon="download" onClick={() => png(it, places, name)}>PNG</Button>
      </div>
      {it.nodes.some((node) => node.group) && <p className="absolute top-2 left-2 rounded bg-surface px-2 text-xs text-muted">Double-click opens a group</p>}
    </div>
  );
}

/** Draws the graph once more on a canvas, and saves that. */
function png(it: Graph, places: Map<string, { x: number; y: number }>, name: string) {
  const all = [...places.values()];
  const [left, top] = [Math.min(...all.map((p) => p.x)) - 24, Math.min(...all.map((p) => p.y)) - 24];
  const [right, bottom] = [Math.max(...all.map((p) => p.x)) + WIDTH + 24, Math.max(...all.map((p) => p.y)) + HEIGHT + 24];
  const scale = Math.min(2, 8_000 / Math.max(right - left, bottom - top));
  const canvas = document.createElement("canvas");
  canvas.width = (right - left) * scale;
  canvas.height = (bottom - top) * scale;
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.scale(scale, scale);
  pen.translate(-left, -top);
  pen.fillStyle = resolved("bg");
  pen.fillRect(left, top, right - left, bottom - top);
  pen.strokeStyle = resolved("strong");
  for (const edge of it.edges) {
    const [a, b] = [places.get(edge.from), places.get(edge.to)];
    if (!a || !b) continue;
    const [x1, y1, x2, y2] = [a.x + WIDTH, a.y + HEIGHT / 2, b.x, b.y + HEIGHT / 2];
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.bezierCurveTo((x1 + x2) / 2, y1, (x1 + x2) / 2, y2, x2, y2);
    pen.stroke();
  }
  for (const node of it.nodes) {
    const at = places.get(node.id);
    if (!at) continue;
    pen.fillStyle = resolved("surface");
    pen.fillRect(at.x, at.y, WIDTH, HEIGHT);
    pen.strokeRect(at.x, at.y, WIDTH, HEIGHT);
    pen.fillStyle = resolved(`kind-${node.kind}`);
    pen.fillRect(at.x, at.y, 4, HEIGHT);
    pen.fillStyle = resolved(node.errors ? "error" : "ink");
    pen.font = "600 13px system-ui, sans-serif";
    pen.fillText(clip(pen, node.label), at.x + 14, at.y + 23);
    pen.fillStyle = resolved("muted");
    pen.font = "12px system-ui, sans-serif";
    pen.fillText(`${node.group ? `× ${count(node.members.length)} · ` : ""}${duration(node.ms)}`, at.x + 14, at.y + 41);
  }
  canvas.toBlob((blob) => {
    if (!blob) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name.replace(/[^\w.-]+/g, "-").slice(0, 80) || "trace"}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

function clip(pen: CanvasRenderingContext2D, text: string): string {
  let shown = text.slice(0, 60);
  while (shown.length > 1 && pen.measureText(shown).width > WIDTH - 28) shown = shown.slice(0, -1);
  return shown;
}

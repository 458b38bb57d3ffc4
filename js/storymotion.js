// StoryMotion's browser side: its settings. ComfyUI keeps them in comfy.settings.json of the user, where
// nodes/settings.py reads them. The texts here are those of locales/en/settings.json.
import { app } from "../../scripts/app.js"
import { billingDay } from "./billing_day.js"

app.registerExtension({
  name: "storymotion.Settings",
  settings: [
    {
      id: "StoryMotion.ShotStoreGB",
      category: ["StoryMotion", "Stories", "ShotStoreGB"],
      name: "Disk space for finished shots of stories (GB)",
      tooltip:
        "Finished shots are kept without loss in storymotion/shots of ComfyUI's user folder: a story that is queued " +
        "again renders only what changed. Those used longest ago go first. 0 keeps none.",
      type: "number",
      defaultValue: 30,
      attrs: { min: 0, max: 100000, step: 1 },
    },
    {
      id: "StoryMotion.Keep",
      category: ["StoryMotion", "Rendering", "Keep"],
      name: "Where models stay between shots",
      tooltip:
        "For every LTX-2 Model node whose keep is auto. disk: nowhere, they are read again. ram: in main memory. " +
        "vram: on the GPU. auto: the best that fits. What does not fit is lowered, and the report says so.",
      type: "combo",
      options: ["auto", "disk", "ram", "vram"],
      defaultValue: "auto",
    },
    {
      id: "StoryMotion.Previews",
      category: ["StoryMotion", "Rendering", "Previews"],
      name: "Preview pictures while a shot is made",
      tooltip:
        "Shows on the node what the shot looks like so far. ComfyUI's own switch --preview-method has to be on too. " +
        "Off saves a little time.",
      type: "boolean",
      defaultValue: true,
    },
    {
      id: "StoryMotion.Currency",
      category: ["StoryMotion", "Cost", "Currency"],
      name: "Currency of amounts on the nodes",
      tooltip:
        "What the editor shows of prices and costs. Reports, receipts and the billing gate always say both.",
      type: "combo",
      options: ["both", "KRW", "USD"],
      defaultValue: "both",
    },
    {
      id: "StoryMotion.KrwPerUsd",
      category: ["StoryMotion", "Cost", "KrwPerUsd"],
      name: "KRW per USD",
      tooltip: "The exchange rate of every price in KRW.",
      type: "number",
      defaultValue: 1450,
      attrs: { min: 1, max: 100000, step: 1 },
    },
    {
      id: "StoryMotion.TargetKrwPer8s",
      category: ["StoryMotion", "Cost", "TargetKrwPer8s"],
      name: "Target: KRW per 8 seconds of video",
      tooltip: "Reports, forecasts and quotes say whether a shot is within it.",
      type: "number",
      defaultValue: 54,
      attrs: { min: 0, max: 1000000, step: 1 },
    },
    {
      id: "StoryMotion.GpuUsdPerHour",
      category: ["StoryMotion", "Cost", "GpuUsdPerHour"],
      name: "Price of this GPU (USD per hour)",
      tooltip: "What the machine costs while it works. 0 looks the GPU up in the list of known prices.",
      type: "number",
      defaultValue: 0,
      attrs: { min: 0, max: 10000, step: 0.01 },
    },
    {
      id: "StoryMotion.BillingDay",
      category: ["StoryMotion", "Cost", "BillingDay"],
      name: "Time zone of the billing day (shown only)",
      tooltip:
        "The daily cap of paid shots goes from midnight to midnight here. It can be changed only where the caps are: " +
        "STORYMOTION_TIME_ZONE in the environment of ComfyUI or in billing.json.",
      type: billingDay,
      defaultValue: "",
    },
  ],
})

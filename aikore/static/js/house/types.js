/**
 * @typedef {object} Instance
 * @property {number} id
 * @property {string} name
 * @property {string} slug
 * @property {string} base_blueprint
 * @property {string[] | null} gpu_ids present indexes; of a GPU that is gone, what it is remembered by
 * @property {Pin[] | null} gpus the same, with what is known of each
 * @property {boolean} autostart
 * @property {boolean} persistent_mode
 * @property {boolean} is_comfyui_active_slot
 * @property {string} status
 * @property {string} status_detail
 * @property {number} port
 * @property {Record<string, string>} environment
 * @property {string} launch_args
 * @property {string} restart_policy
 * @property {string} hostname
 * @property {string[]} open_networks
 * @property {string} url
 * @property {{path: string, host: string | null, port: string | null, desktop: string | null}} urls
 * @property {string[]} actions
 * @property {"strip" | "keep"} base_path
 * @property {string} status_since
 * @property {{code: string, cause: string, advice: string, lines: string[]} | null} failure
 * @property {{count: number, text: string, offset: number} | null} warnings lines of its log that its blueprint warns of
 * @property {string | null} exit_signal
 * @property {number | null} pid
 * @property {number} run
 * @property {string} created_at
 * @property {string} group
 * @property {number} position
 */
/**
 * @typedef {object} Blueprint
 * @property {string} id
 * @property {string} name
 * @property {string} category
 * @property {string} description
 * @property {string} homepage
 * @property {string[]} provides
 * @property {{kind: string, path: string, timeout: number | null}} ready
 * @property {string} source
 * @property {string | null} error
 * @property {Record<string, unknown>} [requires] what it needs, where it says so
 */
/** @typedef {{id: string, name: string, slug: string, base_blueprint: string, deleted_at: string, size: number | null}} Trashed */
/** @typedef {{id: string, key: string, name: string, divided: boolean}} Gpu */
/** @typedef {{id: string | null, uuid: string, name: string, state: "ok" | "lost" | "gone" | "unknown", reason: string}} Pin */
/** @typedef {{slug: string, name: string, base_blueprint: string}} Unlisted */
/**
 * @typedef {object} Snapshot
 * @property {Instance[]} instances
 * @property {Blueprint[]} blueprints
 * @property {Trashed[]} trash
 * @property {Notice[]} notices
 * @property {{gpus?: Gpu[], version?: string}} system
 */
/** @typedef {{level: "info" | "warning" | "error", message: string, at: number}} Notice */
/** @typedef {{number: number, started_at: string | null, ready_at: string | null, ended_at: string | null, exit_code: number | null, exit_signal: string | null, ending: string | null, detail: string, log_offset: number | null}} Run */
/** @typedef {"viewer" | "creator" | "operator" | "admin" | "owner"} Role */
/** @typedef {"account" | "instances.view" | "instances.run" | "instances.edit" | "blueprints.view" | "blueprints.edit" | "scripts.read" | "scripts.edit" | "logs.read" | "files.read" | "files.write" | "apps.open" | "desktops" | "terminals" | "system.view" | "system.terminal" | "system.restart" | "people.manage" | "admins.manage" | "owner.link" | "audit.read" | "generate" | "generate.raw" | "spend" | "assets.all" | "workflows.edit" | "queue.manage" | "projects.edit" | "models.download" | "models.delete"} Permission */
/** @typedef {{name: string, role: Role, via: string}} Me */
/** @typedef {{id: number, address: string, agent: string, created_at: string, expires_at: string, current: boolean}} Session */
/** @typedef {{id: number, name: string, hint: string, scope: string, instance: number | null, owner: string | null, created_at: string, expires_at: string | null, last_used_at: string | null}} Token */
/** @typedef {{id: number, name: string, role: Role, created_at: string, sessions: number}} Person */
/** @typedef {{id: number, role: Role, created_by: string, created_at: string, expires_at: string}} Invite */
/** @typedef {{id: number, time: string, who: string, via: string, address: string, action: string, target: string, status: number, detail: string}} AuditEntry */
/**
 * @typedef {object} Tool what an open tab can be asked
 * @property {() => void} close lets go of everything; the panel is removed by the caller
 * @property {() => void} [show] its tab came to the front
 * @property {() => void} [hide] another tab lies over it; it goes on running
 * @property {(instance: Instance) => void} [update] the instance changed, or what the person may do
 * @property {(offset: number) => void} [at] show the place of a log
 * @property {() => boolean} [dirty] whether it holds input that is not saved
 */
/**
 * @typedef {object} ToolKind
 * @property {string} kind as in `tab-<kind>` and in what the browser remembers
 * @property {string} label what menus and tabs call it
 * @property {string} [key] opens it for the chosen instance
 * @property {Permission} permission what it takes to open it
 * @property {(instance: Instance) => boolean} [offered] whether the instance has it; all have it unless told
 * @property {(panel: HTMLElement, instance: Instance) => Tool} open fills the empty panel
 */
export {};

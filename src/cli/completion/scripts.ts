export type Shell = 'bash' | 'zsh' | 'fish'

/**
 * What each shell has to be told. They ask `holdfast __complete` and show what it prints, one suggestion a line with a
 * tab before its explanation; where it prints nothing, they suggest files. What was typed is handed over as it stands:
 * no shell evaluates it.
 */
export const SCRIPTS: Readonly<Record<Shell, string>> = {
  // By the line rather than by words: bash splits those at each ':' of a resource id.
  bash: `# bash completion for holdfast: source <(holdfast completion bash)
_holdfast() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("$1" __complete bash "\${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
}
complete -o default -o bashdefault -F _holdfast holdfast
`,
  zsh: `#compdef holdfast
# zsh completion for holdfast: source <(holdfast completion zsh)
_holdfast() {
  local line
  local -a values texts
  while IFS= read -r line; do
    values+=("\${line%%$'\\t'*}")
    texts+=("\${line/$'\\t'/  -- }")
  done < <("\${(Q)words[1]}" __complete zsh "\${(@Q)words[1,CURRENT]}" 2>/dev/null)
  if (( \${#values} )); then compadd -l -d texts -a values; else _files; fi
}
if [ "$funcstack[1]" = _holdfast ]; then _holdfast "$@"; else compdef _holdfast holdfast; fi
`,
  fish: `# fish completion for holdfast: holdfast completion fish | source
function __holdfast_complete
  set -l words (commandline -opc) (commandline -ct)
  command holdfast __complete fish $words 2>/dev/null
end
complete -c holdfast -a '(__holdfast_complete)'
`,
}

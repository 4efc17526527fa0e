/* SPDX-License-Identifier: Apache-2.0 */
/* completion_zsh - the script for zsh (contract in completion.h), in terms of its _arguments. */
#include "shmlib/cli/args.h"
#include "shmlib/cli/completion.h"

static const char head[] =
    "#compdef hulse\n"
    "# Completion of hulse for zsh, printed by `hulse completion zsh`.\n"
    "\n"
    "_hulse_topics() {\n"
    "    local -a ask topics\n"
    "    local i\n"
    "    ask=(\"$hulse_line[1]\")\n"
    "    for ((i = 2; i <= $#hulse_line; i++)); do\n"
    "        case $hulse_line[i] in\n"
    "        --admin-socket) ask+=(--admin-socket \"$hulse_line[i+1]\") ;;\n"
    "        --admin-socket=*) ask+=(\"$hulse_line[i]\") ;;\n"
    "        esac\n"
    "    done\n"
    "    topics=(${(f)\"$(\"${(@Q)ask}\" topics list --timeout 500ms 2>/dev/null)\"})\n"
    "    compadd -a topics\n"
    "}\n";

static const char begin[] = "\n"
                            "_hulse() {\n"
                            "    local curcontext=\"$curcontext\" state line\n"
                            "    local -A opt_args\n"
                            "    local -a hulse_line=(\"${words[@]}\") hulse_global\n"
                            "    hulse_global=(";

static const char end[] =
    "    esac\n"
    "}\n"
    "\n"
    "# Loaded from $fpath it is the function itself; sourced it has to be made known.\n"
    "if [[ $funcstack[1] == _hulse ]]; then\n"
    "    _hulse \"$@\"\n"
    "else\n"
    "    compdef _hulse hulse\n"
    "fi\n";

/* Between single quotes. */
static void print_quoted(struct hulse_cli_out *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            hulse_cli_out_text(out, "'\\''");
        } else {
            hulse_cli_out_bytes(out, text, 1);
        }
    }
}

/* ":MESSAGE:ACTION" of _arguments. */
static void print_action(struct hulse_cli_out *out, enum hulse_cli_kind kind)
{
    const char *const *words = hulse_cli_words(kind);

    hulse_cli_out_format(out, ":%s:", hulse_cli_kind_name(kind));
    switch (kind) {
    case HULSE_CLI_FILE:
        hulse_cli_out_text(out, "_files");
        return;
    case HULSE_CLI_TOPIC:
        hulse_cli_out_text(out, "_hulse_topics");
        return;
    case HULSE_CLI_COMMAND:
        hulse_cli_out_text(out, "_hulse_commands");
        return;
    default:
        break;
    }
    if (words == NULL) {
        hulse_cli_out_text(out, " "); /* nothing is offered */
        return;
    }
    for (const char *before = "("; *words != NULL; words++, before = " ") {
        hulse_cli_out_format(out, "%s%s", before, *words);
    }
    hulse_cli_out_text(out, ")");
}

static void
print_option(struct hulse_cli_out *out, const struct hulse_cli_option *o, const char *spelling)
{
    hulse_cli_out_format(out, " '*%s", spelling);
    if (o->value != HULSE_CLI_NOTHING) {
        hulse_cli_out_text(out, spelling[1] == '-' ? "=" : "+");
        print_action(out, o->value);
    }
    hulse_cli_out_text(out, "'");
}

static void print_options(struct hulse_cli_out *out, const struct hulse_cli_option *o)
{
    char spelling[64];

    for (; o->id != 0; o++) {
        (void)snprintf(spelling, sizeof(spelling), "--%s", o->name);
        print_option(out, o, spelling);
        if (o->letter != 0) {
            (void)snprintf(spelling, sizeof(spelling), "-%c", o->letter);
            print_option(out, o, spelling);
        }
    }
}

static void print_operand(struct hulse_cli_out *out, const char *place, enum hulse_cli_kind kind)
{
    if (kind != HULSE_CLI_NOTHING) {
        hulse_cli_out_format(out, " '%s", place);
        print_action(out, kind);
        hulse_cli_out_text(out, "'");
    }
}

static void print_commands(struct hulse_cli_out *out)
{
    hulse_cli_out_text(out,
                       "\n"
                       "_hulse_commands() {\n"
                       "    local -a commands\n"
                       "    commands=(\n");
    for (unsigned i = 0; hulse_cli_commands[i] != NULL; i++) {
        hulse_cli_out_format(out, "        '%s:", hulse_cli_commands[i]->name);
        print_quoted(out, hulse_cli_commands[i]->summary);
        hulse_cli_out_text(out, "'\n");
    }
    hulse_cli_out_text(out,
                       "    )\n"
                       "    _describe -t commands command commands\n"
                       "}\n");
}

void hulse_cli_completion_zsh(struct hulse_cli_out *out)
{
    hulse_cli_out_text(out, head);
    print_commands(out);
    hulse_cli_out_text(out, begin);
    print_options(out, hulse_cli_global_options);
    hulse_cli_out_text(out, ")\n    _arguments -C -S : \"$hulse_global[@]\"");
    print_options(out, hulse_cli_first_options);
    hulse_cli_out_text(out,
                       " \\\n"
                       "        '1:command:_hulse_commands' '*::argument:->argument' && return\n"
                       "    [[ $state == argument ]] || return 1\n"
                       "    case $words[1] in\n");
    for (unsigned i = 0; hulse_cli_commands[i] != NULL; i++) {
        const struct hulse_cli_command *c = hulse_cli_commands[i];
        hulse_cli_out_format(out, "    %s) _arguments -S : \"$hulse_global[@]\"", c->name);
        print_options(out, c->options);
        print_operand(out, "1", c->first);
        print_operand(out, "*", c->rest);
        hulse_cli_out_text(out, " ;;\n");
    }
    hulse_cli_out_text(out, end);
}

/* test_description.c - a tiny model's config files, one value changed at a time. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/model/description.h"
#include "tests/support/tiny_model.h"

static status read_folder(model_description *m, const char *folder, int tokenizer_limit, error *err)
{
    directory *d;
    *err = (error){""};
    *m = (model_description){0};
    CU_ASSERT_EQUAL_FATAL(directory_open(&d, folder, err), OK);
    status rc = description_read(m, d, tokenizer_limit, err);
    directory_close(d);
    if (rc != OK) CU_ASSERT(!m->labels && !m->prompts && !m->max_tokens);
    return rc;
}

/* The file with `from` replaced (NULL: the whole text is `to`) must be refused for a reason that says `part`. */
static void refused(tiny_model m, const char *file, const char *from, const char *to, status why, const char *part)
{
    char *folder = tiny_folder_make();
    model_description out;
    error err;
    tiny_model_write(folder, m);
    if (from) tiny_file_patch(folder, file, from, to);
    else tiny_file_text(folder, file, to);
    status rc = read_folder(&out, folder, 512, &err);
    CU_ASSERT_EQUAL(rc, why);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, file));
    if (rc != why || !strstr(err.text, part) || !strstr(err.text, file))
        printf("\n    %s: %s -> %s: %d \"%s\", wanted %d \"%s\"", file, from ? from : "all", to, rc, err.text, why,
               part);
    description_free(&out);
    tiny_folder_remove(folder);
}

static const tiny_model plain = {0}, sentence = {.pooling = "mean_tokens", .normalize = 1}, labelled = {.labels = 3};

typedef struct { const char *from, *to, *part; } change;

static void every_change_of_config_is_refused(const change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        refused(plain, "config.json", changes[i].from, changes[i].to, BAD_INPUT, changes[i].part);
}
#define REFUSE_EACH(changes) every_change_of_config_is_refused(changes, sizeof(changes) / sizeof *(changes))

static void keys_that_are_missing(void)
{
    static const char *const keys[] = {"model_type", "hidden_size", "num_hidden_layers", "num_attention_heads",
                                       "intermediate_size", "hidden_act", "layer_norm_eps", "max_position_embeddings",
                                       "type_vocab_size", "vocab_size"};
    char from[64], wanted[64];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(from, sizeof from, "\"%s\"", keys[i]);
        snprintf(wanted, sizeof wanted, "\"%s\" is missing", keys[i]);
        if (!strcmp(keys[i], "layer_norm_eps")) snprintf(wanted, sizeof wanted, "\"%s\" is", keys[i]);
        refused(plain, "config.json", from, "\"unrelated\"", BAD_INPUT, wanted);
    }
}

static void numbers_out_of_range(void)
{
    static const change changes[] = {
        {"\"hidden_size\": 32", "\"hidden_size\": 0", "\"hidden_size\" is 0"},
        {"\"hidden_size\": 32", "\"hidden_size\": 1000000000", "\"hidden_size\" is 1000000000"},
        {"\"hidden_size\": 32", "\"hidden_size\": 32.5", "\"hidden_size\" is 32.5"},
        {"\"hidden_size\": 32", "\"hidden_size\": \"32\"", "\"hidden_size\" is of type string"},
        {"\"hidden_size\": 32", "\"hidden_size\": 1e300", "\"hidden_size\""},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": -1", "\"num_hidden_layers\" is -1"},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 0", "\"num_hidden_layers\" is 0"},
        {"\"num_attention_heads\": 4", "\"num_attention_heads\": 0", "\"num_attention_heads\" is 0"},
        {"\"num_attention_heads\": 4", "\"num_attention_heads\": 5", "5 does not divide \"hidden_size\" 32"},
        {"\"intermediate_size\": 64", "\"intermediate_size\": 0", "\"intermediate_size\" is 0"},
        {"\"vocab_size\": 100", "\"vocab_size\": 0", "\"vocab_size\" is 0"},
        {"\"vocab_size\": 100", "\"vocab_size\": 4294967396", "\"vocab_size\" is 4294967396"},
        {"\"max_position_embeddings\": 64", "\"max_position_embeddings\": 3", "\"max_position_embeddings\" is 3"},
        {"\"type_vocab_size\": 2", "\"type_vocab_size\": 0", "\"type_vocab_size\" is 0"},
        {"\"pad_token_id\": 0", "\"pad_token_id\": 100", "\"pad_token_id\" is 100"},
        {"1e-12", "0", "\"layer_norm_eps\" is 0"},
        {"1e-12", "-1e-12", "\"layer_norm_eps\" is -1e-12"},
        {"1e-12", "1e-60", "\"layer_norm_eps\" is 1e-60"},
        {"1e-12", "1", "\"layer_norm_eps\" is 1"},
        {"1e-12", "\"tiny\"", "\"layer_norm_eps\" is string"},
    };
    REFUSE_EACH(changes);
}

static void what_is_another_model(void)
{
    static const change changes[] = {
        {"\"bert\"", "\"distilbert\"", "\"model_type\" is \"distilbert\""},
        {"\"bert\"", "\"roberta\"", "\"model_type\" is \"roberta\""},
        {"\"bert\"", "\"nomic_bert\"", "\"model_type\" is \"nomic_bert\""},
        {"\"bert\"", "\"BERT\"", "\"model_type\" is \"BERT\""},
        {"\"bert\"", "7", "\"model_type\" is of type number"},
        {"BertModel", "MPNetModel", "\"MPNetModel\""},
        {"BertModel", "BertForTokenClassification", "\"BertForTokenClassification\""},
        {"[\"BertModel\"]", "\"BertModel\"", "\"architectures\" is of type string"},
        {"\"gelu\"", "\"silu\"", "\"hidden_act\" is \"silu\""},
        {"\"gelu\"", "\"GELU\"", "\"hidden_act\" is \"GELU\""},
        {"{", "{\"position_embedding_type\": \"relative_key\",", "\"position_embedding_type\" is \"relative_key\""},
        {"{", "{\"position_embedding_type\": \"rotary\",", "\"position_embedding_type\" is \"rotary\""},
        {"{", "{\"auto_map\": {\"AutoModel\": \"x--y.Z\"},", "\"auto_map\""},
        {"{", "{\"is_decoder\": true,", "\"is_decoder\""},
        {"{", "{\"add_cross_attention\": true,", "\"add_cross_attention\""},
        {"{", "{\"rope_theta\": 10000,", "\"rope_theta\""},
        {"{", "{\"rope_scaling\": {\"type\": \"ntk\"},", "\"rope_scaling\""},
        {"{", "{\"pruned_heads\": {\"0\": [1]},", "\"pruned_heads\""},
        {"{", "{\"quantization_config\": {\"bits\": 4},", "\"quantization_config\""},
    };
    REFUSE_EACH(changes);
}

static void no_json_or_used_keys_twice(void)
{
    refused(plain, "config.json", NULL, "", MALFORMED, "ends at byte 0");
    refused(plain, "config.json", NULL, "[]", BAD_INPUT, "is of type array");
    refused(plain, "config.json", NULL, "{\"model_type\": \"bert\\u0000\"}", MALFORMED, "NUL");
    refused(plain, "config.json", "{", "{\"hidden_size\": 32,", MALFORMED, "\"hidden_size\" is given twice");
    refused(plain, "config.json", "{", "{\"auto_map\": null, \"auto_map\": null,", MALFORMED, "given twice");
    refused(sentence, "modules.json", NULL, "{}", BAD_INPUT, "is of type object");
}

static void harmless_keys_are_accepted(void)
{
    static const change changes[] = {
        {"{", "{\"position_embedding_type\": \"absolute\", \"is_decoder\": false, \"pruned_heads\": {},", ""},
        {"{", "{\"position_embedding_type\": null, \"auto_map\": null, \"torch_dtype\": \"float16\",", ""},
        {"\"pad_token_id\": 0", "\"pad_token_id\": null", ""},
        {"\"BertModel\"", "\"BertForMaskedLM\"", ""},
        {"[\"BertModel\"]", "null", ""},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *folder = tiny_folder_make();
        model_description m;
        error err;
        tiny_model_write(folder, plain);
        tiny_file_patch(folder, "config.json", changes[i].from, changes[i].to);
        CU_ASSERT_EQUAL(read_folder(&m, folder, 512, &err), OK);
        CU_ASSERT_EQUAL(m.task, TASK_EMBED);
        description_free(&m);
        tiny_folder_remove(folder);
    }
}

static void activations_by_name(void)
{
    static const struct { const char *name; activation act; } rows[] = {
        {"gelu", ACTIVATION_GELU}, {"gelu_new", ACTIVATION_GELU_TANH}, {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
        {"relu", ACTIVATION_RELU},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *folder = tiny_folder_make();
        model_description m;
        error err;
        tiny_model_write(folder, plain);
        tiny_file_patch(folder, "config.json", "gelu", rows[i].name);
        CU_ASSERT_EQUAL(read_folder(&m, folder, 0, &err), OK);
        CU_ASSERT_EQUAL(m.act, rows[i].act);
        description_free(&m);
        tiny_folder_remove(folder);
    }
}

static void a_sentence_model_is_read_whole(void)
{
    char *folder = tiny_folder_make();
    model_description m;
    error err;
    tiny_model_write(folder, sentence);
    tiny_file_text(folder, "sentence_bert_config.json", "{\"max_seq_length\": 48, \"do_lower_case\": false}");
    tiny_file_text(
        folder, "config_sentence_transformers.json",
        "{\"__version__\": {}, \"prompts\": {\"query\": \"query: \", \"passage\": \"passage: \"},"
        " \"default_prompt_name\": \"passage\", \"similarity_fn_name\": \"cosine\", \"truncate_dim\": null}");
    CU_ASSERT_EQUAL_FATAL(read_folder(&m, folder, 512, &err), OK);
    CU_ASSERT_STRING_EQUAL(m.name, strrchr(folder, '/') + 1);
    CU_ASSERT(m.shape.layers == 2 && m.shape.hidden == 32 && m.shape.heads == 4 && m.shape.inner == 64);
    CU_ASSERT(m.shape.vocab == 100 && m.shape.positions == 64 && m.shape.types == 2);
    CU_ASSERT_EQUAL(m.layer_norm_eps, 1e-12f);
    CU_ASSERT_EQUAL(m.pooling, POOL_MEAN);
    CU_ASSERT_TRUE(m.normalize);
    CU_ASSERT_EQUAL(m.max_tokens, 48);
    CU_ASSERT_EQUAL(m.dimensions, 32);
    CU_ASSERT(m.n_labels == 0 && m.labels == NULL);
    CU_ASSERT_EQUAL_FATAL(m.n_prompts, 2);
    CU_ASSERT_STRING_EQUAL(m.prompts[0].name, "query");
    CU_ASSERT_STRING_EQUAL(m.prompts[1].text, "passage: ");
    CU_ASSERT_EQUAL(m.default_prompt, 1);
    description_free(&m);
    tiny_folder_remove(folder);
}

static void without_modules_the_mean_is_taken(void)
{
    char *folder = tiny_folder_make();
    model_description m;
    error err;
    tiny_model_write(folder, plain);
    CU_ASSERT_EQUAL_FATAL(read_folder(&m, folder, 0, &err), OK);
    CU_ASSERT_EQUAL(m.pooling, POOL_MEAN);
    CU_ASSERT_FALSE(m.normalize);
    CU_ASSERT_EQUAL(m.default_prompt, -1);
    description_free(&m);
    tiny_folder_remove(folder);
}

static void poolings_of_both_generations(void)
{
    static const struct { const char *text; int bits; const char *name;
    } rows[] = {
        {"{\"word_embedding_dimension\": 32, \"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": false}",
         POOL_CLS, "cls"},
        {"{\"word_embedding_dimension\": 32}", POOL_MEAN, "mean"},
        {"{\"word_embedding_dimension\": 32, \"pooling_mode_cls_token\": true, \"pooling_mode_max_tokens\": true}",
         POOL_CLS | POOL_MAX | POOL_MEAN, "cls+max+mean"},
        {"{\"word_embedding_dimension\": 32, \"pooling_mode_mean_tokens\": false, \"pooling_mode_lasttoken\": true,"
         " \"pooling_mode_weightedmean_tokens\": true, \"pooling_mode_mean_sqrt_len_tokens\": true}",
         POOL_MEAN_SQRT_LEN | POOL_WEIGHTED_MEAN | POOL_LAST, "mean_sqrt_len_tokens+weightedmean+lasttoken"},
        {"{\"embedding_dimension\": 32, \"pooling_mode\": \"cls\", \"include_prompt\": true}", POOL_CLS, "cls"},
        {"{\"embedding_dimension\": 32, \"pooling_mode\": [\"lasttoken\", \"max\"]}", POOL_LAST | POOL_MAX,
         "max+lasttoken"},
    };
    char *folder = tiny_folder_make();
    tiny_model_write(folder, sentence);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        model_description m;
        error err;
        tiny_file_text(folder, "1_Pooling/config.json", rows[i].text);
        CU_ASSERT_EQUAL(read_folder(&m, folder, 0, &err), OK);
        CU_ASSERT_EQUAL(m.pooling, rows[i].bits);
        CU_ASSERT_EQUAL(m.dimensions, 32 * __builtin_popcount((unsigned)rows[i].bits));
        CU_ASSERT_STRING_EQUAL(pooling_name(m.pooling), rows[i].name);
        description_free(&m);
    }
    tiny_folder_remove(folder);
}

static void poolings_refused(void)
{
    static const char *const file = "1_Pooling/config.json";
    refused(sentence, file, "32", "48", BAD_INPUT, "\"word_embedding_dimension\" is 48, \"hidden_size\"");
    refused(sentence, file, "\"word_embedding_dimension\": 32,", "", BAD_INPUT,
            "\"word_embedding_dimension\" is missing");
    refused(sentence, file, "32,", "32, \"embedding_dimension\": 31,", BAD_INPUT, "\"embedding_dimension\" is 31");
    refused(sentence, file, "true", "false", BAD_INPUT, "no pooling mode is true");
    refused(sentence, file, "true", "1", BAD_INPUT, "is of type number");
    refused(sentence, file, "32,", "32, \"pooling_mode\": \"attention\",", BAD_INPUT, "\"attention\"");
    refused(sentence, file, "32,", "32, \"pooling_mode\": [],", BAD_INPUT, "no pooling mode is true");
    refused(sentence, file, "32,", "32, \"pooling_mode\": 3,", BAD_INPUT, "type number");
}

static void modules_refused(void)
{
    static const char *const file = "modules.json";
    refused(sentence, file, ".Normalize", ".Dense", BAD_INPUT, "module 2 is Dense");
    refused(sentence, file, ".Pooling", ".WordWeights", BAD_INPUT, "module 1 is WordWeights");
    refused(sentence, file, ".Transformer", ".CLIPModel", BAD_INPUT, "module 0 is CLIPModel");
    refused(sentence, file, "\"path\": \"\"", "\"path\": \"0_Transformer\"", BAD_INPUT, "\"0_Transformer\"");
    refused(sentence, file, "\"path\": \"\",", "", BAD_INPUT, "module 0 has no \"path\"");
    refused(sentence, file, "\"idx\": 1", "\"idx\": 2", BAD_INPUT, "\"idx\" is 2");
    refused(sentence, file, NULL, "[]", BAD_INPUT, "0 modules");
    refused(sentence, file, NULL, "[7]", BAD_INPUT, "module 0 is of type number");
    refused(sentence, file, "2_Normalize\", \"type\": \"sentence_transformers.models.Normalize\"}",
            "\", \"type\": \"Normalize\"}, {\"path\": \"\", \"type\": \"Normalize\"}", BAD_INPUT,
            "module 3 is Normalize");
    refused(sentence, file, "1_Pooling", "2_Pooling", NOT_FOUND, "2_Pooling/config.json");
}

static void paths_that_leave_the_directory(void)
{
    char *folder = tiny_folder_make(), *inside = tiny_path(folder, "model");
    model_description m;
    error err;
    tiny_file_text(folder, "model/here", "");
    tiny_file_text(folder, "config.json", "{\"word_embedding_dimension\": 32}");
    tiny_model_write(inside, sentence);
    CU_ASSERT_EQUAL(read_folder(&m, inside, 0, &err), OK);
    description_free(&m);
    tiny_file_patch(inside, "modules.json", "1_Pooling", "..");
    CU_ASSERT_EQUAL(read_folder(&m, inside, 0, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "leaves the directory"));
    tiny_file_patch(inside, "modules.json", "\"..\"", "\"out\"");
    char *link = tiny_path(inside, "out");
    CU_ASSERT_EQUAL_FATAL(symlink("..", link), 0);
    CU_ASSERT_NOT_EQUAL(read_folder(&m, inside, 0, &err), OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "out/config.json"));
    tiny_file_remove(inside, "config.json");
    char *fifo = tiny_path(inside, "config.json");
    CU_ASSERT_EQUAL_FATAL(mkfifo(fifo, 0600), 0);
    CU_ASSERT_EQUAL(read_folder(&m, inside, 0, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "config.json: a FIFO"));
    free(fifo);
    free(link);
    free(inside);
    tiny_folder_remove(folder);
}

static void the_shortest_limit_counts(void)
{
    static const struct { const char *file; int tokenizer, wanted;
    } rows[] = {
        {NULL, 0, 64},
        {NULL, 512, 64},
        {NULL, 40, 40},
        {"{}", 40, 40},
        {"{\"max_seq_length\": null}", 40, 40},
        {"{\"max_seq_length\": 32}", 40, 32},
        {"{\"max_seq_length\": 50}", 40, 50},
        {"{\"max_seq_length\": 500}", 40, 64},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *folder = tiny_folder_make();
        model_description m;
        error err;
        tiny_model_write(folder, sentence);
        if (rows[i].file) tiny_file_text(folder, "sentence_bert_config.json", rows[i].file);
        CU_ASSERT_EQUAL(read_folder(&m, folder, rows[i].tokenizer, &err), OK);
        CU_ASSERT_EQUAL(m.max_tokens, rows[i].wanted);
        description_free(&m);
        tiny_folder_remove(folder);
    }
    refused(plain, "sentence_bert_config.json", NULL, "{\"max_seq_length\": 3}", BAD_INPUT, "\"max_seq_length\" is 3");
    refused(plain, "sentence_bert_config.json", NULL, "{\"max_seq_length\": \"256\"}", BAD_INPUT, "of type string");
}

static void lowercasing_must_agree(void)
{
    char *folder = tiny_folder_make();
    model_description m;
    error err;
    tiny_model_write(folder, sentence);
    tiny_file_text(folder, "sentence_bert_config.json", "{\"do_lower_case\": true}");
    CU_ASSERT_EQUAL(read_folder(&m, folder, 0, &err), OK);
    description_free(&m);
    tiny_file_patch(folder, "tokenizer_config.json", "true", "false");
    CU_ASSERT_EQUAL(read_folder(&m, folder, 0, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "\"do_lower_case\""));
    tiny_folder_remove(folder);
}

static void prompts_refused(void)
{
    static const char *const file = "config_sentence_transformers.json";
    refused(sentence, file, NULL, "{\"prompts\": []}", BAD_INPUT, "\"prompts\" is of type array");
    refused(sentence, file, NULL, "{\"prompts\": {\"q\": 1}}", BAD_INPUT, "prompt \"q\" is of type number");
    refused(sentence, file, NULL, "{\"prompts\": {\"q\": \"a\", \"q\": \"b\"}}", MALFORMED, "\"q\" is given twice");
    refused(sentence, file, NULL, "{\"default_prompt_name\": \"q\"}", BAD_INPUT, "\"default_prompt_name\" is \"q\"");
    refused(sentence, file, NULL, "{\"truncate_dim\": 16}", BAD_INPUT, "\"truncate_dim\" is 16 of 32");
    refused(sentence, file, NULL, "{\"model_type\": \"SparseEncoder\"}", BAD_INPUT, "SparseEncoder");
}

static void a_prompt_that_is_not_pooled_is_refused(void)
{
    char *folder = tiny_folder_make();
    model_description m;
    error err;
    tiny_model_write(folder, sentence);
    tiny_file_patch(folder, "1_Pooling/config.json", "{", "{\"include_prompt\": false, ");
    CU_ASSERT_EQUAL(read_folder(&m, folder, 0, &err), OK); /* there is none that could be used */
    description_free(&m);
    tiny_file_text(folder, "config_sentence_transformers.json",
                   "{\"prompts\": {\"query\": \"\"}, \"truncate_dim\": 32}");
    CU_ASSERT_EQUAL(read_folder(&m, folder, 0, &err), OK);
    description_free(&m);
    tiny_file_patch(folder, "config_sentence_transformers.json", "\"\"", "\"query: \"");
    CU_ASSERT_EQUAL(read_folder(&m, folder, 0, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "\"include_prompt\" is false and prompt \"query\""));
    tiny_folder_remove(folder);
}

static void the_file_says_the_precision(void)
{
    static const struct { const char *to; model_precision precision; } rows[] = {
        {"{", PRECISION_F16},
        {"{\"torch_dtype\": \"float32\",", PRECISION_F16},
        {"{\"torch_dtype\": null, \"dtype\": null,", PRECISION_F16},
        {"{\"torch_dtype\": \"bfloat16\",", PRECISION_BF16},
        {"{\"dtype\": \"bfloat16\",", PRECISION_BF16},
        {"{\"torch_dtype\": \"bfloat16\", \"dtype\": \"float16\",", PRECISION_F16},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *folder = tiny_folder_make();
        model_description m;
        error err;
        tiny_model_write(folder, plain);
        tiny_file_patch(folder, "config.json", "{", rows[i].to);
        CU_ASSERT_EQUAL(read_folder(&m, folder, 512, &err), OK);
        CU_ASSERT_EQUAL(m.precision, rows[i].precision);
        description_free(&m);
        tiny_folder_remove(folder);
    }
    refused(plain, "config.json", "{", "{\"torch_dtype\": 16,", BAD_INPUT, "\"torch_dtype\" is of type number");
}

static void labels_make_the_task(void)
{
    char *folder = tiny_folder_make();
    model_description m;
    error err;
    tiny_model_write(folder, labelled);
    CU_ASSERT_EQUAL_FATAL(read_folder(&m, folder, 0, &err), OK);
    CU_ASSERT_EQUAL(m.task, TASK_CLASSIFY);
    CU_ASSERT_EQUAL_FATAL(m.n_labels, 3);
    CU_ASSERT_STRING_EQUAL(m.labels[2], "label 2");
    description_free(&m);
    tiny_model_write(folder, (tiny_model){.labels = 1});
    CU_ASSERT_EQUAL_FATAL(read_folder(&m, folder, 0, &err), OK);
    CU_ASSERT(m.task == TASK_RERANK && m.n_labels == 1);
    description_free(&m);
    tiny_file_patch(folder, "config.json", "\"id2label\": {\"0\": \"label 0\"}", "\"num_labels\": 4");
    CU_ASSERT_EQUAL_FATAL(read_folder(&m, folder, 0, &err), OK);
    CU_ASSERT_EQUAL_FATAL(m.n_labels, 4);
    CU_ASSERT_STRING_EQUAL(m.labels[3], "LABEL_3");
    description_free(&m);
    tiny_folder_remove(folder);
}

static void labels_refused(void)
{
    static const char *const file = "config.json";
    refused(labelled, file, "\"1\": ", "\"3\": ", BAD_INPUT, "\"id2label\" has \"3\"");
    refused(labelled, file, "\"1\": ", "\"01\": ", BAD_INPUT, "\"id2label\" has \"01\"");
    refused(labelled, file, "\"1\": ", "\"-1\": ", BAD_INPUT, "\"id2label\" has \"-1\"");
    refused(labelled, file, "\"1\": ", "\"99999999999999999999\": ", BAD_INPUT, "\"id2label\" has \"999");
    refused(labelled, file, "\"1\": ", "\"0\": ", BAD_INPUT, "\"id2label\" has \"0\"");
    refused(labelled, file, "\"label 1\"", "1", BAD_INPUT, "\"id2label\" has \"1\"");
    refused(labelled, file, "{", "{\"num_labels\": 2,", BAD_INPUT, "has 3 labels, \"num_labels\" is 2");
    refused(labelled, file, "{", "{\"problem_type\": \"multi_label_classification\",", BAD_INPUT, "\"problem_type\"");
    refused(labelled, file, "\"id2label\": {", "\"id2label\": [], \"unrelated\": {", BAD_INPUT, "of type array");
    refused((tiny_model){.labels = 2, .pooling = "mean_tokens"}, "modules.json", "[", "[", BAD_INPUT,
            "is a classifier");
}

void description_suite(CU_pSuite s)
{
    CU_add_test(s, "M61 a missing key of config.json is refused by name", keys_that_are_missing);
    CU_add_test(s, "M61 numbers out of range are refused with key and value", numbers_out_of_range);
    CU_add_test(s, "M61 architectures and activations that do not run here are refused by name", what_is_another_model);
    CU_add_test(s, "M61 config files that are no strict JSON are refused by file", no_json_or_used_keys_twice);
    CU_add_test(s, "M63 a module's path that leaves the directory, and a FIFO, are refused",
                paths_that_leave_the_directory);
    CU_add_test(s, "keys that say nothing of the arithmetic are accepted", harmless_keys_are_accepted);
    CU_add_test(s, "each activation's name has its function", activations_by_name);
    CU_add_test(s, "a sentence-transformers directory is read whole", a_sentence_model_is_read_whole);
    CU_add_test(s, "without modules.json the mean is taken, not normalized", without_modules_the_mean_is_taken);
    CU_add_test(s, "both generations of pooling files are read", poolings_of_both_generations);
    CU_add_test(s, "pooling that does not fit the model is refused by key", poolings_refused);
    CU_add_test(s, "modules that do not run here are refused by number and type", modules_refused);
    CU_add_test(s, "the limit of tokens is the shortest that counts", the_shortest_limit_counts);
    CU_add_test(s, "lowercase wanted from a tokenizer that keeps case is refused", lowercasing_must_agree);
    CU_add_test(s, "prompts and dimensions that cannot be honoured are refused", prompts_refused);
    CU_add_test(s, "a prompt whose tokens must not be pooled is refused", a_prompt_that_is_not_pooled_is_refused);
    CU_add_test(s, "bfloat16 where the file says so, float16 else, and dtype wins over torch_dtype",
                the_file_says_the_precision);
    CU_add_test(s, "one label ranks, several classify", labels_make_the_task);
    CU_add_test(s, "labels that are not 0 to n-1 once each are refused", labels_refused);
}

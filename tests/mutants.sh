#!/usr/bin/env bash
# mutants.sh [PATTERN] - breaks one line at a time and wants the named tests to turn red.
#
# A row of the table says what is broken, where, how (a sed expression) and which ctest entries must notice; a fifth word,
# "thread" or "address", where only that sanitizer can.  Rows whose words or file match PATTERN are run, all of them
# without one.  Each break is made in a copy of the tree below a
# temporary folder, built there and undone; the tree itself is not touched.  A break that changes nothing, that does not
# compile or that no named test notices fails the run, and so does a named test that is red before anything is broken.
# Takes minutes, so it is run by hand: after a test was rewritten, or with a new row.
set -euo pipefail
pattern=${1:-.}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree="$work/tree"
what=() file=() change=() tests=() sanitizer=()

mutant() { # mutant WHAT FILE SED-EXPRESSION TESTS [SANITIZER]
    grep -qE -- "$pattern" <<<"$1 $2" || return 0
    what+=("$1") file+=("$2") change+=("$3") tests+=("$4") sanitizer+=("${5:-none}")
}

# text
mutant 'an unknown word keeps the pieces found before'  runtime/text/wordpiece.c 's/else s->out = ids;/else (void)ids;/' golden/token_ids
mutant 'the first piece found is taken, not the longest' runtime/text/wordpiece.c 's/^\( *\)end = j;$/\1end = j;\n\1break;/' golden/token_ids
mutant 'a word may have one character more'             runtime/text/wordpiece.c 's/known = s->chars <= w->word_chars/known = s->chars <= w->word_chars + 1/' 'golden/token_ids|runtime/text/tokenizer'
mutant 'a dotted capital I is one character'            runtime/text/wordpiece.c 's/dotted = c == 0x130/dotted = c == 0x131/' 'golden/token_ids|runtime/text/tokenizer'
mutant 'marks stay in the order of the text'            runtime/text/wordpiece.c 's/s->hold\[j - 1\].klass > s->hold\[j\].klass/s->hold[j - 1].klass > 254/' runtime/text/tokenizer
mutant 'a Chinese character joins its word'             runtime/text/wordpiece.c 's/if (o.isolate_cjk) mask |= UNICODE_CJK;//' golden/token_ids
mutant 'punctuation does not end the word before'       runtime/text/wordpiece.c 's/^    if (f & UNICODE_PUNCT) end_word(s, with_ranges);$//' golden/token_ids
mutant 'a dropped character ends a run of marks'        runtime/text/wordpiece.c 's/if (f & UNICODE_DROP) return; .*/if (f \& UNICODE_DROP) { release(s, with_ranges); return; }/' runtime/text/tokenizer
mutant 'held marks take the first range'                runtime/text/wordpiece.c 's/r->emitted = r->sources\[next++\]/r->emitted = r->sources[next]/; s/next = 0;$/next = 0; (void)next;/' golden/token_ids
mutant 'a piece ends where its last character begins'   runtime/text/wordpiece.c 's/s->r->byte\[end - 1\].stop/s->r->byte[end - 1].start/' golden/token_ids
mutant 'an added token is found within a word'          runtime/text/added.c     's/t->single_word && beside_word/false \&\& beside_word/' runtime/text/tokenizer
mutant 'the shortest added token is tried first'        runtime/text/added.c     's/(x->n < y->n ? 1 : -1)/(x->n < y->n ? -1 : 1)/' runtime/text/tokenizer
mutant 'blanks after an added token stay'               runtime/text/added.c     's/t->right_strip && stop < end/false \&\& stop < end/' runtime/text/tokenizer
mutant 'the second text of a pair is type 0'            runtime/text/tokenizer.c 's/memset(types + n, 1,/memset(types + n, 0,/' 'golden/token_ids|runtime/text/tokenizer'
mutant 'a cut on the left keeps the beginning'          runtime/text/tokenizer.c 's/(side == CUT_LEFT ? n_b - keep_b : 0)/0/' runtime/text/tokenizer
mutant 'a pair is cut without room for its frame'       runtime/text/tokenizer.c 's/keep_of(max_tokens - framing,/keep_of(max_tokens - TEMPLATE_ONE,/' runtime/text/tokenizer
mutant 'decoding forgets the cleanup'                   runtime/text/tokenizer.c 's/t->cleanup && takes_no_blank(k->p)/false \&\& takes_no_blank(k->p)/' 'golden/token_ids|runtime/text/tokenizer'
mutant 'decoding ends its text one byte late'           runtime/text/tokenizer.c 's/out\[w.n < cap ? w.n : cap - 1\] = 0/out[w.n < cap ? w.n : cap] = 0/' runtime/text/tokenizer
mutant 'a vocabulary may lack a special token'          runtime/text/tokenizer_load.c 's/names\[i\].required) rc = need_id/names[i].required \&\& 0) rc = need_id/' runtime/text/tokenizer
mutant 'a byte order mark is a piece'                   runtime/text/tokenizer_load.c 's/if (f.size >= 3 && !memcmp/if (f.size >= 3000000 \&\& !memcmp/' runtime/text/tokenizer
mutant 'any pre-tokenizer is taken for BERT'"'"'s'      runtime/text/tokenizer_load.c 's/if (!type || strcmp(type, wanted))/if (!type)/' runtime/text/tokenizer

# policy, queue, service times
mutant 'below the table a time may fall to nothing'      runtime/serve/service.c 's/return fmax(at_group/return fmin(at_group/' runtime/serve/service
mutant 'one odd batch counts in full'                    runtime/serve/service.c 's/RATIO_MIN = 1.0 \/ 8, RATIO_MAX = 8;/RATIO_MIN = 0, RATIO_MAX = 1e9;/' runtime/serve/service
mutant 'larger batches learn nothing from smaller ones'  runtime/serve/service.c 's/    spread(m, at, 1);//' runtime/serve/service
mutant 'bad service times pass'                          runtime/serve/service.c 's/        if (rc != OK) return rc;/        if (rc == IO_FAILED) return rc;/' runtime/serve/service
mutant 'a busy device is given its next batch at once'   runtime/serve/policy.c 's/return busy_until_ns - POLICY_LEAD_NS/return now_ns/' 'runtime/serve/policy|runtime/serve/schedule'
mutant 'an array takes twice the device'                 runtime/serve/policy.c 's/POLICY_ARRAY_SHARE \* p->ns_per_token/0.5 * p->ns_per_token/' 'runtime/serve/policy|runtime/serve/queue|runtime/serve/schedule'
mutant 'it is always quiet'                              runtime/serve/policy.c 's/POLICY_QUIET_NS ? p->quiet_tokens : p->quantum_tokens/0 ? p->quiet_tokens : p->quiet_tokens/' 'runtime/serve/policy|runtime/serve/schedule'
mutant 'nobody waits too long to be let in'              runtime/serve/policy.c 's/return wait_ns > policy_wait_limit_ns/return wait_ns > 1000 * policy_wait_limit_ns/' 'runtime/serve/policy|e2e/overload'
mutant 'equal due times lose their order'                runtime/serve/queue.c 's/a->key != b->key ? a->key < b->key : a->order < b->order/a->key < b->key/' runtime/serve/queue
mutant 'what runs is no wait'                            runtime/serve/queue.c 's/    return earliest > now_ns ? earliest : now_ns;/    return earliest > now_ns ? now_ns : now_ns;/' 'runtime/serve/queue|runtime/serve/schedule'
mutant 'an array is due whole when it begins'            runtime/serve/queue.c 's/if (e->last_due <= ns) sum += e->tokens;/if (e->key <= ns) sum += e->tokens;/' runtime/serve/queue
mutant 'a stale latest start expires a request'          runtime/serve/queue.c 's/        if (!policy_hopeless(own, j->deadline_ns, begin)) {/        if (0) {/' 'runtime/serve/queue|runtime/serve/schedule'
mutant 'a failed request is computed on'                 runtime/serve/queue.c 's/if (j->result != OK) drop(q, j);/(void)drop;/' runtime/serve/queue
mutant 'the heap is not mended after a removal'          runtime/serve/queue.c 's/if (i < --h->n) settle(h, i, h->at\[h->n\]);/if (i < --h->n) put(h, i, h->at[h->n]);/' 'runtime/serve/queue|runtime/serve/schedule'
mutant 'the heaps have no end'                           runtime/serve/queue.c 's/if (q->due.n < q->limits.max_requests) return OK;/if (q->due.n < 9999 * q->limits.max_requests) return OK;/' 'runtime/serve/queue|runtime/serve/schedule'

mutant 'a batch may have one sequence too many'         runtime/serve/policy.c 's/open->sequences >= l->batch_sequences/open->sequences > l->batch_sequences/' 'runtime/serve/policy|runtime/serve/queue'
mutant 'a batch may have one token too many'            runtime/serve/policy.c 's/|| tokens > l->batch_tokens/|| tokens > l->batch_tokens + 1/' 'runtime/serve/policy|runtime/serve/queue'
mutant 'a wait is rounded down'                         runtime/serve/policy.c 's/(over_ns + second - 1) \/ second/over_ns \/ second/' runtime/serve/policy

# batcher, executor, the sleeping device
mutant 'a device that takes is not idle'        runtime/serve/batcher.c 's/set_busy_locked(b, executor, 0);.*//' runtime/serve/batcher
mutant 'who is done is busy as long as predicted' runtime/serve/executor.c 's/^    if (x->in_flight == 0) batcher_set_idle(.*//' runtime/serve/executor
mutant 'what is taken makes nobody busy'        runtime/serve/batcher.c 's/if (cut->n > 0) set_busy_locked(b, executor, now_ns + cut->predicted_ns);//' runtime/serve/batcher
mutant 'a staged batch does not count'          runtime/serve/batcher.c 's/begin_ns + cut->predicted_ns/begin_ns/' runtime/serve/batcher
mutant 'a new forecast is not told'             runtime/serve/batcher.c 's/if (busy_until_ns == b->seats\[executor\].busy_until_ns && /if (/' runtime/serve/batcher
mutant 'the next batch is cut at once'          runtime/serve/batcher.c 's/if (policy_cut_ns(&s->plan, due_tokens, busy_until_ns, now_ns) <= now_ns)$/if (due_tokens >= 0)/' runtime/serve/batcher
mutant 'a full batch is cut late'               runtime/serve/batcher.c 's/atomic_fetch_add_explicit(&b->due_tokens, j->starts\[j->n\], memory_order_relaxed);//' 'runtime/serve/(batcher|executor)'
mutant 'a look without the lock sees no work'   runtime/serve/batcher.c 's/atomic_store_explicit(&b->waiting, true, memory_order_relaxed);//' runtime/serve/executor
mutant 'what one executor leaves wakes nobody'  runtime/serve/batcher.c 's/if (waiting) pthread_cond_signal(&b->work);//' runtime/serve/batcher
mutant 'the expired are computed'               runtime/serve/batcher.c 's/queue_expire(b->queue, now_ns, &complete);//' runtime/serve/batcher
mutant 'done() is called under the lock'        runtime/serve/batcher.c '/^void batcher_finish/,/^}/{/pthread_mutex_unlock/d;s/    hand_back(&complete, now_ns);/    hand_back(\&complete, now_ns);\n    pthread_mutex_unlock(\&b->lock);/}' runtime/serve/batcher
mutant 'a queue of leavers ends the executor'   runtime/serve/batcher.c 's/if (enough) return BATCHER_LATE;/return enough ? BATCHER_LATE : 0;/' runtime/serve/batcher
mutant 'draining is not told'                   runtime/serve/batcher.c 's/queue_cut(b->queue, parts, cap, closed, now_ns)/queue_cut(b->queue, parts, cap, false, now_ns)/' runtime/serve/batcher
mutant 'drops are not noted'                    runtime/serve/batcher.c 's/if (j->cut_ns == 0)/if (j->cut_ns > 0)/' runtime/serve/batcher
mutant 'a batch without memory is not halved'   runtime/serve/executor.c 's/if (rc == NO_MEMORY && s->in.S > 1)/if (rc == OK \&\& s->in.S > 1)/' runtime/serve/executor
mutant 'a staged batch begins when submitted'   runtime/serve/executor.c 's/s->begun_ns = begun_ns(x, n);/s->begun_ns = s->submitted_ns;/' runtime/serve/executor
mutant 'the next is cut as if nothing ran'      runtime/serve/executor.c 's/= begun_ns(x, oldest) + x->slot\[oldest\].predicted_ns;/= begun_ns(x, oldest);/' runtime/serve/executor
mutant 'halves teach'                           runtime/serve/executor.c 's/return run_halves(x, n, why);/{ if (!run_halves(x, n, why)) return false; learn(x, s); return true; }/' runtime/serve/executor
mutant 'nothing is learned'                     runtime/serve/executor.c 's/if (rc == OK) learn(x, s);.*//' runtime/serve/executor
mutant 'batches are counted after their rows'   runtime/serve/executor.c 's/^        tally_batch(.*//; s/^        hand_out(x, s);/        hand_out(x, s); tally_batch(\&x->tally, \&x->e->description.shape, \&s->in);/' runtime/serve/executor
mutant 'a silent device is no trip'             runtime/serve/executor.c 's/tally_add(&x->tally.watchdog_trips, 1);//' runtime/serve/executor
mutant 'errors of the device are not counted'   runtime/serve/executor.c 's/tally_add(&x->tally.device_errors, 1);/tally_add(\&x->tally.device_errors, 0);/' runtime/serve/executor
mutant 'wrong golden rows are not counted'      runtime/serve/executor.c 's/tally_add(&x->tally.golden_failed, 1);/tally_add(\&x->tally.golden_failed, 0);/' runtime/serve/engine
mutant 'faults are not noted'                   runtime/serve/executor.c 's/note_fault(s, rc, s->begun_ns, s->computed_ns);/if (rc == OK) note_fault(s, rc, s->begun_ns, s->computed_ns);/' runtime/serve/executor
mutant 'attention is forgotten in the flops'    runtime/serve/executor_tally.c 's/pairs += n \* n;/pairs += n;/' runtime/serve/executor
mutant 'an edge belongs to the next'            runtime/serve/executor_tally.c 's/n > 1 << i/n >= 1 << i/' runtime/serve/executor
mutant 'batches of a sleeping device overlap'   tests/sleeping_device/sleeping_device.c 's/begun_ns = now_ns > b->ready_ns ? now_ns : b->ready_ns;/begun_ns = now_ns;/' sleeping_device/sleeping_device
mutant 'a sleeping device does not sleep'       tests/sleeping_device/sleeping_device.c 's/if (rc == OK \&\& clock_ns() < s->ready_ns) return PENDING;//' sleeping_device/sleeping_device

# capacity, calibrate
mutant 'a capacity may have members nobody knows' runtime/serve/capacity.c 's/seen == known ? OK/seen >= known ? OK/' runtime/serve/capacity
mutant 'a number of a capacity has no upper end' runtime/serve/capacity.c 's/v->valuedouble >= low && v->valuedouble <= high/v->valuedouble >= low/' runtime/serve/capacity
mutant 'a text may be longer than its room' runtime/serve/capacity.c 's/strlen(v->valuestring) >= m->bytes)/strlen(v->valuestring) >= m->bytes + 8)/' runtime/serve/capacity
mutant 'what no reader takes is written' runtime/serve/capacity.c 's/status rc = capacity_parse(&again, text, (size_t)n, err);.*/status rc = OK; (void)again;/' runtime/serve/capacity
mutant 'what could not be renamed is left beside' runtime/serve/capacity.c 's/if (!written) unlink(beside);//' runtime/serve/capacity
mutant 'a capacity is for any device' runtime/serve/capacity.c 's/{"device", c->device, device},/{"device", device, device},/' runtime/serve/capacity
mutant 'quotes in a name are not escaped' runtime/serve/capacity.c "s/ || \*p == '\"' || / || /" runtime/serve/capacity
mutant 'of two runs the cold one counts' runtime/serve/stopwatch.c 's/took_ns\[(n - 1) \/ 2\]/took_ns[n \/ 2]/' runtime/serve/stopwatch
mutant 'rows that a larger batch undercuts stay' runtime/serve/stopwatch.c 's/while (first > 0 && service_check/while (first < 0 \&\& service_check/' runtime/serve/stopwatch
mutant 'a GPU is timed until its time is over' runtime/serve/engine.c 's/e->golden ? INT64_MAX : clock_ns() + SEED_NS/clock_ns() + SEED_NS \/ 1000000/' runtime/serve/engine
mutant 'a seed has sequences longer than the model' runtime/serve/engine.c 's/tokens \/ longest < sequences ? tokens : sequences \* longest/tokens/' runtime/serve/engine
mutant 'rates are tried though one alone is too slow' runtime/serve/knee.c 's/if (alone.holds) rc/rc/' runtime/serve/knee
mutant 'a failed device has a knee' runtime/serve/knee.c 's/} else if (l->failed == OK) {/} else if (l->failed != OK) {/' runtime/serve/knee
mutant 'the best rate is not confirmed' runtime/serve/knee.c 's/i < CONFIRMATIONS;/i < 0;/' runtime/serve/knee
mutant 'refusals cost nothing' runtime/serve/knee.c 's/REFUSED_MAX = 0.001/REFUSED_MAX = 1/' runtime/serve/knee
mutant 'the largest batch is not calibrated' server/calibrate.c 's/return rc == OK ? add_rows(plan, w, t, most, err) : rc;/return rc;/' server/calibrate
mutant 'the folder is looked at when all is measured' server/calibrate.c 's/if (access(folder, W_OK | X_OK))/if (access(folder, W_OK | X_OK) \&\& !e)/' server/calibrate
mutant 'a foreign capacity is served with' server/capacity_find.c 's/if (rc == OK) return OK;/return OK;/' server/calibrate

# histograms, windows, stages, the flight recorder
mutant 'a quantile is a rank too low'                   runtime/base/histogram.c 's/(uint64_t)ceil(q \* (double)s->total)/(uint64_t)(q * (double)s->total)/' runtime/base/histogram
mutant 'a quantile is the end of its step'              runtime/base/histogram.c 's/low + (histogram_high(i) - low) \/ 2/histogram_high(i)/' runtime/base/histogram
mutant 'what is too long has no counter'                runtime/base/histogram.c 's/power >= HISTOGRAM_POWERS/power > HISTOGRAM_POWERS/' runtime/base/histogram
mutant 'a window has a second more'                     runtime/base/window.c 's/second > last - seconds/second >= last - seconds/' runtime/base/window
mutant 'a second keeps what its place held before'      runtime/base/window.c 's/^        histogram_clear(&s->took);$//' runtime/base/window
mutant 'a second that changes hands is added'           runtime/base/window.c 's/^    if (atomic_load_explicit(&s->second, memory_order_relaxed) != second) return;$//' runtime/base/window
mutant 'the ring is shorter than the longest window'    runtime/base/window.c 's/SLOTS = WINDOW_SECONDS + 2/SLOTS = WINDOW_SECONDS - 1/' runtime/base/window
mutant 'a stage may end before it begins'               runtime/base/stage.c 's/t->at\[s\] < before/t->at[s] < 0/' runtime/base/stage
mutant 'a stage not passed begins with the one before'  runtime/base/stage.c 's/t->at\[s\] = t->at\[s + 1\]/t->at[s] = t->at[s - 1]/' runtime/base/stage
mutant 'the event being written is read'                runtime/base/flight.c 's/now - FLIGHT_EVENTS + 1;/now - FLIGHT_EVENTS;/' runtime/base/flight
mutant 'what was overwritten stays'                     runtime/base/flight.c 's/memmove(out, out + lost,/memmove(out, out,/' runtime/base/flight
mutant 'a ring shows the events of the thread before'   runtime/base/flight.c 's/^    if (from < r->first) from = r->first;$//' runtime/base/flight
mutant 'a ring is never given back'                     runtime/base/flight.c 's/^    mine->owned = false;$//' runtime/base/flight
mutant 'a dump writes over what lies there'             server/flight_dump.c 's/O_CREAT | O_EXCL | O_NOFOLLOW/O_CREAT | O_TRUNC/' server/flight_dump
mutant 'half a dump stays'                              server/flight_dump.c 's/^        if (rc != OK) unlink(path);$//' server/flight_dump
mutant 'a dump is for everybody'                        server/flight_dump.c 's/, 0600)/, 0644)/' server/flight_dump
mutant 'a dump counts time forward'                     server/flight_dump.c 's/(double)(now_ns - r->ns)/(double)(r->ns - now_ns)/' server/flight_dump

mutant 'a stop does not wait for answers'               server/serve.c     's/while (!http_idle(s->a.http)) {/while (!http_idle(s->a.http) \&\& clock_ns() < 0) {/' e2e/life

# calls, stages, deadlines
mutant 'a reply on its way is told at once'             server/http_connection.c 's/if (flushed) tell(k->home, r);/tell(k->home, r);/; s/^    else k->owed = \*r;$/    k->owed = *r;/' server/http_ended
mutant 'a client that left amid a reply is not told'    server/http_connection.c 's/if (k->owes) tell_cancelled(k->home, &k->owed);//' server/http_ended
mutant 'a written reply stays owed'                     server/http_connection.c 's/^    k->owes = false;$//' server/http_ended
mutant 'who left is told with a status'                 server/http_connection.c 's/^    r->status = 0;$/    r->status = 499;/' server/http_ended
mutant 'times are told unsettled'                       server/http_connection.c 's/^    stage_settle(&r->times);$//' server/http_ended
mutant 'the last byte is with the kernel when it is made' server/http_connection.c 's/int64_t now_ns = r->times.at\[STAGES\] = clock_ns();/int64_t now_ns = r->times.at[STAGES] = r->times.at[STAGE_WRITE] ? r->times.at[STAGE_WRITE] : clock_ns();/' server/http_ended
mutant 'what had no route is told to nobody'            server/http_connection.c 's/if (limits->ended)/if (limits->ended \&\& r->route)/' server/http_ended
mutant 'a head begins with its last bytes'              server/http_connection.c 's/if (!k->begun) k->begun_ns = clock_ns();/k->begun_ns = clock_ns();/' server/http_ended
mutant 'a read body has no time of its own'             server/http_connection.c 's/^    e->c.record.times.at\[STAGE_PARSE\] = clock_ns();$//' server/http_ended
mutant 'a wrong method has no route'                    server/http_connection.c 's/route_matches(r, path, c->wildcard)) c->record.route = r;/route_matches(r, path, c->wildcard)) return;/' server/http_ended
mutant 'closing tells nobody'                           server/http.c      's/connection_abandon(l, LIST_FIRST(&l->exchanges))/exchange_free(LIST_FIRST(\&l->exchanges))/' server/http_ended
mutant 'stages not passed are told'                     server/http_reply.c 's/if (!r->times.at\[s\]) continue;//' server/http_reply
mutant 'a time is cut, not rounded'                     server/http_reply.c 's/ + (ns % unit >= unit \/ 2)//' server/http_reply
mutant 'the inference time leaves out the copy'         server/http_reply.c 's/stage_ns(&t, STAGE_H2D) + //' server/http_reply
mutant 'an id may have a NUL'                           server/http_reply.c 's/(ch && strchr(/(strchr(/' server/http_reply
mutant 'a long deadline overflows'                      server/answer.c    's/if (ms > DEADLINE_MAX_MS) ms = DEADLINE_MAX_MS;//' server/answer
mutant 'a deadline may end in letters'                  server/answer.c    's/if (!v.n || i < v.n) return/if (!v.n) return/' server/answer
mutant 'a deadline that is now has not passed'          server/answer.c    's/now_ns < terms->deadline_ns/now_ns <= terms->deadline_ns/' server/answer
mutant 'a field given twice is as good as none'         server/answer.c    's/return times > 0;/return times > 0 \&\& value->p;/' 'server/answer|e2e/ops'
mutant 'a priority has its case'                        server/answer.c    's/if (http_is(v, "bulk"))/if (v.n == 4 \&\& !memcmp(v.p, "bulk", 4))/' 'server/answer|e2e/ops'
mutant 'who loads has failed'                           server/answer.c    's/fail(&why, UNAVAILABLE, "the model/fail(\&why, GPU_LOST, "the model/' server/answer
mutant 'why a device was lost is read before it is'     server/answer.c    's/^    if (phase == APP_LOADING) answer/    why = app_of(c)->lost;\n&/' server/health thread
mutant 'a refused request was computed'                 server/embed.c     's/^    if (!answer_read_terms(c, &terms)/    c->record.compute_type = "cpu";\n&/' e2e/ops
mutant 'a stage is missing'                             server/embed.c     's/^    t->at\[STAGE_SERIALIZE\] = e->done_ns;$//' e2e/ops
mutant 'stages begin when the reply is written'         server/embed.c     's/t->at\[STAGE_QUEUE\] = e->work.submitted_ns;/t->at[STAGE_QUEUE] = 0;/' e2e/ops
mutant 'a passed deadline is tokenized'                 server/tokenize.c  's/rc = answer_in_time(c, &terms, now_ns, &err);/rc = now_ns ? OK : MALFORMED;/' e2e/ops
mutant 'a departed client is computed for'              server/embed.c     's/batcher_cancel(app_of(c)->queue, &e->work);/(void)e;/' e2e/life
mutant 'what no device saw was computed'                server/embed.c     's/^    int64_t now_ns = c->record.times.at\[STAGE_TOKENIZE\] = clock_ns();/&\n    c->record.compute_type = a->engine->ops->name;/' e2e/ops

# bench load

# monitor, metrics
mutant 'a late answer is good'                          server/monitor.c 's/answered && !late ? &p->good/answered ? \&p->good/' server/monitor
mutant 'what the client did wrong spends the budget'    server/monitor.c 's/if (is_clients(r->status)) return;//' server/monitor
mutant 'who left in time spends the budget'             server/monitor.c 's/if (r->status == 0 && !late) return;//' server/monitor
mutant 'every route is judged'                          server/monitor.c 's/if (r->route && m->o.computes(r->route)) judge/if (r->route) judge/' server/monitor
mutant 'the handler'"'"'s reason is not heard'          server/monitor.c 's/if (r->failure != FAILURE_NONE) return r->failure;//' server/monitor
mutant 'an edge is above itself'                        server/monitor.c 's/if (ns <= m->edges\[middle\]) high = middle;/if (ns < m->edges[middle]) high = middle;/' server/monitor
mutant 'two edges are the objective'                    server/monitor.c 's/m->edges\[i\] += m->edges\[i\] == m->o.objective_ns;.*//' server/monitor
mutant 'quick refusals are in the window'               server/monitor.c 's/^    if (refused) return;$//' server/monitor
mutant 'the second keeps its last request'              server/monitor.c 's/ && took_ns <= read_counter(longest)) return;/ \&\& took_ns < 0) return;/; s/took_ns > read_counter(longest))) {/took_ns > 0)) {/' server/monitor
mutant 'an old second passes for a new one'             server/monitor.c 's/if (read_counter(&m->slowest\[at\].second) == second - i)/if (read_counter(\&m->slowest[at].second))/' server/monitor
mutant 'shed tokens are not offered'                    server/monitor.c 's/read_counter(&m->parts\[i\].tokens_accepted) + read_counter(&m->parts\[i\].tokens_shed)/read_counter(\&m->parts[i].tokens_accepted)/' server/monitor
mutant 'every window burns since the start'             server/monitor.c 's/while (i > oldest && m->samples/while (i > oldest \&\& false \&\& m->samples/; s/int64_t i = m->n_samples - 1;/int64_t i = oldest;/' server/monitor
mutant 'the readers see one loop'                       server/monitor.c '/^void monitor_add_up/,/^}/s/i < m->o.loops/i < 1/' server/monitor
mutant 'a slow request is copied without the lock'      server/monitor.c 's/pthread_mutex_lock(&m->lock);//; s/pthread_mutex_unlock(&m->lock);//' server/monitor thread
mutant 'buckets do not add up'                          server/exposition.c 's/total += counts\[i\];/total = counts[i];/' 'server/(exposition|metrics)'
mutant 'a quote ends a label'                           server/exposition.c "s/else if (\*value == '\"' || \*value == '\\\\\\\\')/else if (*value == '\\\\\\\\')/" 'server/(exposition|metrics)'
mutant 'a number loses its last digits'                 server/exposition.c 's/digits = 15; digits <= 17/digits = 15; digits <= 15/' server/exposition
mutant 'a CPU has the numbers of a GPU'                 server/metrics.c 's/if (s->gpu) one_of(/if (s) one_of(/' server/metrics
mutant 'who loads is draining'       server/metrics.c 's/s.draining = phase == APP_DRAINING;/s.draining = phase != APP_READY;/' server/metrics
mutant 'a knee of 0 is a capacity'                      server/metrics.c 's/knee > 0 ? knee :/a->capacity ? knee :/' server/metrics
mutant 'the opened folder is counted'                   server/process.c 's/facts->open_fds--;.*//' server/process
mutant 'a bracket in the name ends it'                  server/process.c "s/strrchr(text, ')')/strchr(text, ')')/" server/process
mutant 'lines below the level are counted'              runtime/base/log.c 's/^    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed)) return;$/    atomic_fetch_add_explicit(\&said[level], 1, memory_order_relaxed);\n&/' runtime/base/log
mutant 'quantiles are worked out for each reader'       server/monitor.c 's/ && m->lately_second != now_ns \/ SECOND; w++/; w++/' server/monitor
mutant 'quantiles stay those of the first second'       server/monitor.c 's/ && m->lately_second != now_ns \/ SECOND; w++/ \&\& m->lately_second < 0; w++/' server/monitor

# base
mutant 'an escaped NUL passes'                          runtime/base/json.c 's/if (unit == 0) return.*//' runtime/base/json
mutant 'a lone low surrogate passes'                    runtime/base/json.c 's/if (unit >= 0xdc00 && unit <= 0xdfff) return.*//' runtime/base/json
mutant 'a high surrogate needs no low one'              runtime/base/json.c 's/if (low < 0xdc00 || low > 0xdfff) return/if (low > 0xffff) return/' runtime/base/json
mutant 'one level too many'                             runtime/base/json.c 's/if (s->depth == s->depth_max)/if (s->depth > s->depth_max)/' runtime/base/json
mutant 'one value too many'                             runtime/base/json.c 's/if (s->values++ == s->values_max)/if (s->values++ > s->values_max)/' runtime/base/json
mutant 'a second document may follow'                   runtime/base/json.c 's/return s->p == s->end ? OK : refuse_here(s, "the end");/return OK;/' runtime/base/json
mutant 'numbers may begin with zeros'                   runtime/base/json.c 's/if (\*digits == .0. && p > digits + 1) return.*//' runtime/base/json
mutant 'a number may be infinite'                       runtime/base/json.c 's/if (!isfinite(strtod(copy, NULL))) return.*//' runtime/base/json
mutant 'the last of two equal keys counts'              runtime/base/json.c 's/^        if (\*out) {$/        if (*out \&\& !name) {/' runtime/base/json
mutant 'an integer may have a fraction'                 runtime/base/json.c 's/ || d != floor(d))/)/' runtime/base/json
mutant 'names may leave the directory'                  runtime/base/file.c 's/if (!strncmp(p, "..", 2) && .*//' runtime/base/file
mutant 'links may leave the directory'                  runtime/base/file.c 's/.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS/.resolve = 0/' runtime/base/file
mutant 'without openat2 links are followed'             runtime/base/file.c 's/OPEN_FLAGS | O_NOFOLLOW |/OPEN_FLAGS |/' runtime/base/file
mutant 'what is no file is read'                        runtime/base/file.c 's/else if (!S_ISREG(st.st_mode))/else if (S_ISDIR(st.st_mode) \&\& !out)/' runtime/base/file
mutant 'a file may have one byte too many'              runtime/base/file.c 's/(uint64_t)st.st_size > max_bytes)/(uint64_t)st.st_size > max_bytes + 1)/' runtime/base/file
mutant 'the digest follows the order of reading'        runtime/base/file.c 's/while (i < d->n && strcmp(d->record\[i\].name, name) < 0) i++;/i = d->n;/' runtime/base/file
mutant 'a file may change between two reads'            runtime/base/file.c 's/if (d->record\[i\].size == size && .*/return OK;/' runtime/base/file
mutant 'control characters reach the log'               runtime/base/log.c  's/return \*p < 0x20 || \*p == 0x7f || .*/return *p == 0x0a;/' runtime/base/log
mutant 'quotes are not escaped in the log'              runtime/base/log.c  "s/json && (\*p == '\"' ||/json \&\& (*p == 1 ||/" runtime/base/log
mutant 'a lost line is not counted'                     runtime/base/log.c  's/if (!write_at_once(&l)) .*/write_at_once(\&l);/' runtime/base/log
mutant 'a full pipe is waited for'                      runtime/base/log.c  's/if (poll(&out, 1, 0) == 1 && .*/if (poll(\&out, 1, 0) < 9)/' runtime/base/log
mutant 'a long message is cut within a character'       runtime/base/log.c  's/while (end && .*0x80) end--;//' runtime/base/log

# model
mutant 'the header'"'"'s length is trusted'             runtime/model/safetensors.c 's/n > HEADER_MAX || n > size - 8/n > HEADER_MAX/' runtime/model/safetensors
mutant 'a header may be of any length'                  runtime/model/safetensors.c 's/n < 2 || n > HEADER_MAX ||/n < 2 ||/' runtime/model/safetensors
mutant 'offsets may be reversed'                        runtime/model/safetensors.c 's/out->begin > out->end || out->end > data_bytes/out->end > data_bytes/' runtime/model/safetensors
mutant 'offsets may lie outside'                        runtime/model/safetensors.c 's/out->begin > out->end || out->end > data_bytes/out->begin > out->end/' runtime/model/safetensors
mutant 'tensors may overlap'                            runtime/model/safetensors.c 's/if (spans\[i\].begin != covered)/if (spans[i].begin > covered)/' runtime/model/safetensors
mutant 'tensors may leave holes'                        runtime/model/safetensors.c 's/if (spans\[i\].begin != covered)/if (spans[i].begin < covered)/' runtime/model/safetensors
mutant 'data may be left over'                          runtime/model/safetensors.c 's/if (covered != data_bytes)/if (covered > data_bytes)/' runtime/model/safetensors
mutant 'a shape need not fit its bytes'                 runtime/model/safetensors.c 's/if (at->end - at->begin != bits \/ 8)/if (at->end - at->begin < bits \/ 8)/' runtime/model/safetensors
mutant 'a tensor may occur twice'                       runtime/model/safetensors.c 's/if (!by_name(&t\[i - 1\], &t\[i\])) return/if (n < 0) return/' runtime/model/safetensors
mutant 'subnormal halves become zero'                   runtime/model/safetensors.c 's/(float)fraction \* 0x1p-24f/(float)fraction * 0/' runtime/model/safetensors
mutant 'an infinite weight is accepted'                 runtime/model/weights.c 's/if (at == t->elements) return OK;/return OK;/' runtime/model/weights
mutant 'the second extent is not looked at'             runtime/model/weights.c 's/(rank == 1 || t->shape\[1\] == columns)/(rank == 1 || columns)/' runtime/model/weights
mutant 'a missing tensor is no error'                   runtime/model/weights.c 's/if (!\*field(record, &table\[i\]))/if (!record)/' runtime/model/weights
mutant 'two tensors may be the same weight'             runtime/model/weights.c 's/if (rc == OK && \*slot)/if (rc == OK \&\& !slot)/' runtime/model/weights
mutant 'the tokenizer may give ids above the embedding' runtime/model/weights.c 's/vocab_size > m->description.shape.vocab)/vocab_size > 2 * m->description.shape.vocab + 1000)/' runtime/model/weights
mutant 'layers beyond the last are ignored'             runtime/model/weights.c 's/if (layer >= m->description.shape.layers)/if (layer > m->description.shape.layers)/' runtime/model/weights
mutant 'heads need not divide the width'                runtime/model/description.c 's/if (s->hidden % s->heads)/if (s->hidden < 0)/' runtime/model/description
mutant 'a layer_norm_eps of 0 is accepted'              runtime/model/description.c 's/m->layer_norm_eps >= 0x1p-126f/m->layer_norm_eps >= 0/' runtime/model/description
mutant 'relative positions are taken for absolute'      runtime/model/description.c 's/if (positions && strcmp(positions, "absolute"))/if (positions \&\& 0)/' runtime/model/description
mutant 'labels may be numbered from 1'                  runtime/model/description.c 's/if (i < 0 || m->labels\[i\] ||/if (i < 0 ||/' runtime/model/description
mutant 'bfloat16 runs in float16'                       runtime/model/description.c 's/strcmp(type, "bfloat16")/strcmp(type, "float16")/' runtime/model/description
mutant 'no pooling mode is the mean'                    runtime/model/sentence.c 's/if (rc == OK && !m->pooling) rc = fail.*/if (rc == OK \&\& !m->pooling) m->pooling = 1;/' runtime/model/description
mutant 'a pooling of another width is accepted'         runtime/model/sentence.c 's/if (rc == OK && dimension && dimension != m->shape.hidden)/if (rc == OK \&\& dimension < 0)/' runtime/model/description
mutant 'modules may come in any order'                  runtime/model/sentence.c 's/if (n == 3 || strcmp(row.type, chain\[n\]))/if (n == 3 || !chain[n])/' runtime/model/description

# serve
mutant 'a closed queue takes requests'                  runtime/serve/batcher.c 's/^    if (b->closed) {$/    if (b->closed \&\& !j) {/' runtime/serve/batcher
mutant 'closing wakes nobody'                           runtime/serve/batcher.c 's/pthread_cond_broadcast(&b->work);//' runtime/serve/batcher
mutant 'a row that is not finite is handed out'         runtime/serve/executor.c 's/finite = !memchr(x->finite + row, 0, (size_t)p.count);/finite = p.count > 0;/' runtime/serve/executor
mutant 'every part gets the first rows'                 runtime/serve/executor.c 's/row += p.count;/row += 0;/' runtime/serve/executor
mutant 'a failed batch is handed out'                   runtime/serve/executor.c 's/^    if (rc == OK) {$/    if (rc == OK || x) {/' runtime/serve/executor
mutant 'normalize is forgotten'                         runtime/serve/executor.c 's/s->normalize\[b.S++\] = j->normalize;/s->normalize[b.S++] = 0;/' runtime/serve/executor
mutant 'what is abandoned takes requests'               runtime/serve/batcher.c '/^void batcher_abandon/,/^}/s/close_locked(b);//' runtime/serve/batcher
mutant 'a third batch is submitted'                     runtime/serve/executor.c 's/x->slots > 1 ? x->slots - 1 : 1;/x->slots;/' runtime/serve/executor
mutant 'work that comes waits for the batch before it'  runtime/serve/executor.c 's/} else if (x->in_flight < most) {/} else if (x->in_flight > most) {/' runtime/serve/executor
mutant 'both halves are the first'                      runtime/serve/executor.c 's/s->parts = whole.parts + (half ? before : 0);/s->parts = whole.parts;/' runtime/serve/executor
mutant 'a silent device is waited for'                  runtime/serve/executor.c 's/since_ns - begun_ns(x, n) > deadline_ns(x))/since_ns < begun_ns(x, n) - deadline_ns(x))/' runtime/serve/executor
mutant 'a call that does not return is waited for'      runtime/serve/executor.c 's/clock_ns() - since_ns > deadline_ns(x) \&\&/clock_ns() < since_ns \&\&/' runtime/serve/executor
mutant 'who comes back from a given-up call goes on'    runtime/serve/executor.c 's/return atomic_compare_exchange_strong(&x->in_call, &since_ns, 0);/return atomic_exchange(\&x->in_call, 0) < since_ns + 1;/' runtime/serve/executor address
mutant 'a slow CPU is taken for a lost device'          runtime/serve/executor.c 's/return x->slots > 1; .*/return x->slots > 0;/' runtime/serve/executor
mutant 'an idle device is not checked'                  runtime/serve/executor.c 's/x->golden_ns = e->golden ? /x->golden_ns = !e ? /' runtime/serve/engine
mutant 'any cosine is golden'                           runtime/serve/golden.c 's/if (!(seen >= g->limit))/if (seen < -2)/' runtime/serve/engine
mutant 'NaN is golden'                                  runtime/serve/golden.c 's/if (!(seen >= g->limit))/if (seen < g->limit)/' runtime/serve/engine
mutant 'a broken GPU is replaced by the CPU'            runtime/serve/engine.c 's/if (rc != NOT_FOUND \&\& /if (rc != NOT_FOUND \&\& rc != GPU_LOST \&\& /' 'runtime/serve/engine|e2e/cuda_serve'
mutant 'a GPU that was asked for is replaced by the CPU' runtime/serve/engine.c 's/if (e->options.backend == ENGINE_CUDA)$/if (e->options.backend == ENGINE_CPU)/' 'runtime/serve/engine|e2e/cuda_serve'

# kernels and backend
mutant 'a store takes too many columns'                 kernels/cpu/gemm_loops.h 's/lanes_store_n(g->c + \(.*\), x, left);/lanes_store(g->c + \1, x);/' kernels/cpu/gemm
mutant 'the bias is forgotten'                          kernels/cpu/gemm_loops.h 's/g->bias ? lanes_load_n(g->bias + first, left) : lanes_set(0)/lanes_set(0)/' kernels/cpu/gemm
mutant 'the last of a fit is rounded'                   kernels/cpu/lanes.h 's/-0.0006746620116f/-0.000674f/' kernels/cpu/gemm
mutant 'a limit takes NaN away'                         kernels/cpu/lanes_portable.h 's/lanes_select(limit < x, limit, x)/lanes_select(x < limit, x, limit)/; s/lanes_select(limit > x, limit, x)/lanes_select(x > limit, x, limit)/' 'kernels/cpu/(gemm|attention)'
mutant 'a variance in one pass'                         kernels/cpu/norm_loops.h 's/lanes d = lanes_sub(lanes_load(x + h), means);/lanes d = lanes_load(x + h);/; s/float variance = lanes_sum(squares);/float variance = lanes_sum(squares) - mean * mean * (float)whole;/' kernels/cpu/norm
mutant 'a pooled maximum ignores NaN'                   kernels/cpu/pool.c 's/in\[h\] > out\[h\] || in\[h\] != in\[h\]/in[h] > out[h]/' kernels/cpu/pool
mutant 'a weighted mean counts from 0'                  kernels/cpu/pool.c 's/POOLING_WEIGHTED_MEAN ? t + 1 : 1/POOLING_WEIGHTED_MEAN ? t : 1/' kernels/cpu/pool
mutant 'a claim is no exchange'                         runtime/backend/workers.c 's/!atomic_compare_exchange_weak(&w->claims, &seen, seen - 1)/(atomic_store(\&w->claims, seen - 1), 0)/' runtime/backend/workers
mutant 'sleeping threads are not woken'                 runtime/backend/workers.c 's/if (tasks > 1 && atomic_load(&w->sleepers) > 0)/if (tasks < 0)/' runtime/backend/workers
mutant 'a waiting caller is not woken'                  runtime/backend/workers.c 's/pthread_cond_signal(&w->finished);//' runtime/backend/workers
mutant 'the affinity mask is ignored'                   runtime/backend/workers.c 's/threads = cores()/threads = cores() + 1/' runtime/backend/workers
mutant 'each brings its own threads'                    runtime/backend/workers.c 's/while (w && w->threads != threads) w = w->next;/w = NULL;/' runtime/backend/workers
mutant 'the first who leaves ends the pool'             runtime/backend/workers.c 's/const bool last = --w->users == 0;/const bool last = w->users-- > 0;/' runtime/backend/workers
mutant 'two run at once'                                runtime/backend/workers.c 's/pthread_mutex_lock(&w->running);//; s/    pthread_mutex_unlock(&w->running);//' runtime/backend/workers
mutant 'the pool takes signals'                         runtime/backend/workers.c 's/sigfillset(&every)/sigemptyset(\&every)/' runtime/backend/workers
mutant 'a batch allocates'                              runtime/backend/cpu_flow.c 's/^    find_sequences(&f);/    void *volatile held = malloc(16);\n    free(held);\n&/' runtime/backend/backend_cpu
mutant 'types are forgotten'                            runtime/backend/backend_cpu.c 's/rows.types = in->types ? b->types + area : NULL;/rows.types = NULL;/' runtime/backend/backend_cpu
mutant 'types are forgotten in a round'                 runtime/backend/backend_cpu.c 's/w->rows.types = in->types ? in->types + first : NULL;/w->rows.types = NULL;/' runtime/backend/backend_cpu
mutant 'threads share their scratch'                    runtime/backend/cpu_flow.c 's/m->room.scratch + (size_t)worker \* m->room.scratch_bytes/m->room.scratch + 0 * worker/' runtime/backend/backend_cpu
mutant 'every block of queries is the first'            runtime/backend/cpu_flow.c 's/ + (block - blocks\[low\]) \* QUERY_BLOCK;/ + 0 * block;/' runtime/backend/backend_cpu
mutant 'ids are not looked at'                          runtime/backend/batch.c 's/in->ids\[t\] < 0 || in->ids\[t\] >= shape->vocab/in->ids[t] < -9/' runtime/backend/backend_cpu
mutant 'gelu is the tanh form'                          runtime/backend/backend_cpu.c 's/case ACTIVATION_GELU: return GEMM_GELU;/case ACTIVATION_GELU: return GEMM_GELU_TANH;/' 'runtime/backend/backend_cpu'
mutant 'every row of the CPU is finite'                 runtime/backend/cpu_flow.c 's/^    return !bad;/    return !bad || n;/' runtime/backend/backend_cpu
mutant 'a head has no tanh'                             runtime/backend/cpu_flow.c 's/row\[h\] = tanhf(row\[h\]);/row[h] += 0 * tanhf(row[h]);/' runtime/backend/backend_cpu
mutant 'a library that is not there is refused'         runtime/backend/backend_load.c 's/? NOT_FOUND : BAD_INPUT/? BAD_INPUT : NOT_FOUND/' runtime/backend/backend_load
mutant 'a library of a later build is taken'            runtime/backend/backend_load.c 's/ops->abi != BACKEND_ABI/ops->abi < BACKEND_ABI/' runtime/backend/backend_load
mutant 'a row that is not finite is forwarded'          runtime/backend/backend.c 's/bad = rc == OK ?/bad = rc != OK ?/' runtime/backend/backend

# server
mutant 'an empty string has a vector'                   server/contracts.c 's/return out->text.n ? OK :/return out->text.p ? OK :/' server/contracts
mutant 'one input too many'                             server/contracts.c 's/if (count > max_inputs)$/if (count > max_inputs + 1)/' server/contracts
mutant 'a token id may be the size of the vocabulary'   server/contracts.c 's/id >= vocab/id > vocab/' server/contracts
mutant 'the environment wins over the command line'     server/options.c   's/status rc = set(out, &rows\[i\], bare ? "true" : value ? value : argv\[++a\], err);/status rc = OK;/' server/options
mutant 'a cut vector keeps its length'                  server/embed.c     's/row\[i\] = (float)(row\[i\] \* scale);/row[i] = (float)(row[i] * (scale > 0 ? 1 : 0));/' e2e/serve
mutant 'inputs that were cut are not counted'           server/embed.c     's/request->truncated += full > limit;//' e2e/serve
mutant 'a compressed body is read'                      server/answer.c    's/if (coding.n && !http_is/if (coding.n > 99 \&\& !http_is/' e2e/serve
mutant 'a prompt is forgotten'                          server/prompt.c    's/    if (!prompt) return OK;/    if (room) return OK;/' e2e/life
mutant 'a reply while draining keeps its connection'    server/http_connection.c 's/!atomic_load(&s->draining);/s;/' e2e/life
mutant 'a lost device is not noticed'                   server/serve.c     's/while (!sig \&\& !notice_loss(s))/while (!sig)/' e2e/cuda_serve
mutant 'a hang during a stop is not noticed'            server/serve.c     's/if (notice_loss(s) \&\& ms > LOST_MS)/if (ms < 0 \&\& notice_loss(s))/' e2e/cuda_serve
mutant 'a server with a lost device is ready'           server/info.c      's/case APP_LOST: call_refuse.*/case APP_LOST:/' server/health

# kernels of the GPU, in the emulator
mutant 'a copy overwrites a tile that a warp still reads' kernels/cuda/attention.cu 's/^ *__syncthreads(); \/\* every warp is done.*$//' kernels/cuda/cuda_attention
mutant 'a tile is read before all have copied it'       kernels/cuda/attention.cu 's/^        __syncthreads();$//' kernels/cuda/cuda_attention
mutant 'the wait for a tile is one group short'         kernels/cuda/attention.cu 's/ptx_copy_wait<1>();/ptx_copy_wait<2>();/' kernels/cuda/cuda_attention
mutant 'a query sees one key too many'                  kernels/cuda/attention.cu 's/column >= w.end\[half\]/column > w.end[half]/' kernels/cuda/cuda_attention
mutant 'a query sees the sequence before its own'       kernels/cuda/attention.cu 's/column < w.begin\[half\] || //' kernels/cuda/cuda_attention
mutant 'the running sum is not rescaled'                kernels/cuda/attention.cu 's/w.sum\[half\] \*= rescale;//' kernels/cuda/cuda_attention
mutant 'a NaN leaves its sequence'                      kernels/cuda/attention.cu 's/if (b.run) keep_at_home.*//' kernels/cuda/cuda_attention
mutant 'rows beyond the keys are read'                  kernels/cuda/attention.cu 's/there = token < b.keys;/there = true;/' kernels/cuda/cuda_attention
mutant 'rows staged for writing are not waited for'     kernels/cuda/attention.cu 's/^    __syncwarp();$//' kernels/cuda/cuda_attention
mutant 'eps is forgotten on the device'                 kernels/cuda/row.cuh  's/static_cast<float>(hidden) + eps)/static_cast<float>(hidden) + 0 * eps)/' kernels/cuda/cuda_norm
mutant 'rows beyond the batch are normalised'           kernels/cuda/norm.cu  's/if (token >= n.input.header->T) return;.*//' kernels/cuda/cuda_norm
mutant 'every token is of type 0'                       kernels/cuda/embed.cu 's/type = e.input.types\[token\];/type = 0 * e.input.types[token];/' kernels/cuda/cuda_embed
mutant 'the device mean counts one token too many'      kernels/cuda/pool.cu  's/mean\[column\] = total \/ n;/mean[column] = total \/ (n + 1);/' kernels/cuda/cuda_pool
mutant 'every pooled row is finite'                     kernels/cuda/pool.cu  's/= squares < INFINITY;/= squares <= INFINITY;/' kernels/cuda/cuda_pool
mutant 'partial sums are overwritten while read'        kernels/cuda/pool.cu  's/^    __syncthreads(); \/\* the partial sums before.*//' kernels/cuda/cuda_pool
mutant 'the pooled vector is read too early'            kernels/cuda/head.cu  's/^    __syncthreads();$//' kernels/cuda/cuda_head
mutant 'GELU of the device is the tanh form'            kernels/cuda/gelu.cu  's/erff(x\[i\] \* 0.70710678f)/tanhf(0.79788456f * (x[i] + 0.044715f * x[i] * x[i] * x[i]))/' kernels/cuda/cuda_gelu

# the emulator itself
mutant 'copies of the emulator land at once'            tests/emulate/simt_copy.cc 's/if (!f->block->worker->launch->options.copies_late)/if (true)/' emulate/simt
mutant 'the emulator waits for one group more'          tests/emulate/simt_copy.cc 's/static_cast<unsigned>(left) < f->groups/static_cast<unsigned>(left) <= f->groups/' emulate/simt
mutant 'copies count as writes when they land alone'    tests/emulate/simt_copy.cc 's/^    simt_told_written(shared, 16);//' emulate/simt thread
mutant 'copies may read anything'                       tests/emulate/simt_copy.cc 's/if (copy && simt_forbidden(global, 16))/if (false)/' emulate/simt address
mutant 'shared memory begins as zero'                   tests/emulate/simt_shared.cc 's/^    simt_forbid(b->memory, memory_bytes());/    for (size_t i = 0; i < bytes; i++) b->shared[i] = 0;\n&/' emulate/simt
mutant 'nobody looks beyond shared memory'              tests/emulate/simt_shared.cc 's/if (p < end && static_cast/if (false \&\& static_cast/' emulate/simt
mutant 'all of shared memory is open to ASan'           tests/emulate/simt_shared.cc 's/^    simt_forbid(.*//' emulate/simt address
mutant 'threads may wait at different barriers'         tests/emulate/simt.cc 's/if (b->at_barrier && (b->barrier_line/if (false \&\& (b->barrier_line/' emulate/simt
mutant 'one token for all barriers'                     tests/emulate/simt.cc 's/barrier_token\[b->barrier_generation % 2\]/barrier_token[0]/' emulate/simt thread
mutant 'blocks share the fibers of one seat'            tests/emulate/simt.cc 's/return threads > SIMT_THREADS_MAX \/ 4 ? 2 : SIMT_SEATS;.*/return threads ? 1 : 1;/' emulate/simt thread
mutant 'the begin of a launch orders nothing'           tests/emulate/simt.cc 's/simt_acquire(&w->launch->start_token);/(void)0;/' emulate/simt thread
mutant 'the end of a launch orders nothing'             tests/emulate/simt.cc 's/^.*simt_acquire(&w->seats\[i\].end_token);//' emulate/simt thread
mutant 'ended lanes are waited for'                     tests/emulate/simt_warp.cc 's/(g->mask & ~b->warps\[warp\].gone)/g->mask/' emulate/simt
mutant 'lanes may be at different operations'           tests/emulate/simt_warp.cc 's/if (g->arrived && g->what != what)/if (false)/' emulate/simt
mutant 'shuffles order memory'                          tests/emulate/simt_warp.cc 's/if (what == SIMT_SYNCWARP)/if (true)/' emulate/simt thread
mutant 'rows of ldmatrix are read behind TSan'          tests/emulate/simt_warp.cc 's/^    simt_told_read(row, 16);//' emulate/simt thread
mutant 'tiny numbers of f16 are normal'                 tests/emulate/simt_warp.cc 's/magnitude < 0x400/magnitude < 0/' emulate/simt
mutant 'a switch of fibers orders memory'               tests/emulate/simt_fiber.cc 's/TSAN_NO_ORDER = 1/TSAN_NO_ORDER = 0/' emulate/simt thread
mutant 'ASan is not told of switches'                   tests/emulate/simt_fiber.cc 's/^.*__sanitizer_start_switch_fiber(fake.*/    (void)fake;/; s/if (!simt_watched_by_asan) return;/return;/' emulate/simt address

# the CUDA backend, on the fake device
mutant 'a graph does not wait for its input'            runtime/backend/backend_cuda.c 's/rc = cuda_device_wait(d, b->compute, s->copied_in, err);/(void)s->copied_in;/' runtime/backend/backend_cuda
mutant 'rows are copied out before they are computed'   runtime/backend/backend_cuda.c 's/rc = cuda_device_wait(d, b->copy_out, s->computed, err);/(void)s->computed;/' runtime/backend/backend_cuda
mutant 'a slot is collected before its rows are there'  runtime/backend/backend_cuda.c 's/cuda_device_done(b->device, s->copied_out, err)/cuda_device_done(b->device, s->computed, err)/' runtime/backend/backend_cuda
mutant 'every slot launches the graph of slot 0'        runtime/backend/backend_cuda.c 's/k->graph\[s - b->slots\]/k->graph[0]/' runtime/backend/backend_cuda
mutant 'a failed submit leaves its copy under way'      runtime/backend/backend_cuda.c 's/if (rc != OK) return settle(b, rc, err);/if (rc != OK) return rc;/' runtime/backend/cuda_faults
mutant 'a failed batch is waited for without end'       runtime/backend/backend_cuda.c 's/SETTLE_NS = 1000000000;/SETTLE_NS = 1000000000000;/' runtime/backend/cuda_faults
mutant 'a late failure is blamed on slot 0 alone'       runtime/backend/backend_cuda.c 's/if (b->slots\[i\].sequences) b->slots\[i\].failed = why;/if (i == 0) b->slots[i].failed = why;/' runtime/backend/cuda_faults
mutant 'every row is called finite'                     runtime/backend/backend_cuda.c 's/memcpy(finite, s->host_out, S);/memset(finite, 1, S);/' runtime/backend/cuda_faults
mutant 'GELU is fused whatever the rows say'            runtime/backend/backend_cuda.c 's/GELU_COSINE = 1 - 1e-5;/GELU_COSINE = -1;/' runtime/backend/backend_cuda
mutant 'the input has a leading dimension of N'         kernels/cuda/gemm_cublaslt.c 's/cublasLtMatrixLayoutCreate(&out->x, type, K, M, s.K)/cublasLtMatrixLayoutCreate(\&out->x, type, K, M, s.N)/' runtime/backend/backend_cuda
mutant 'the bias is fp32 to the library'                kernels/cuda/gemm_cublaslt.c 's/CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type/CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, \&(cudaDataType_t){CUDA_R_32F}, sizeof type/' runtime/backend/backend_cuda
mutant 'a residual is left out of the product'          kernels/cuda/gemm_cublaslt.c 's/beta = residual ? 1 : 0;/beta = residual ? 0 : 0;/' runtime/backend/backend_cuda
mutant 'the host waits while a graph is recorded'       runtime/backend/cuda_forward.c 's/^    status rc = queue_embedding(f, l, in, err);/&\n    if (rc == OK) rc = cuda_device_synchronize(f->device, f->stream, err);/' runtime/backend/backend_cuda
mutant 'a residual is added twice'                      runtime/backend/cuda_forward.c 's/before.then == CUDA_GEMM_BIAS_RESIDUAL ? NULL : f->x/f->x/' runtime/backend/backend_cuda
mutant 'the last start is missing from a block'         runtime/backend/cuda_input.c 's/(S + 1) \* sizeof(int32_t));$/S * sizeof(int32_t));/' runtime/backend/cuda_input
mutant 'a grid has one piece of work too few'           runtime/backend/cuda_input.c 's/single = least(least(longs + 1,/single = least(least(longs,/' runtime/backend/cuda_input
mutant 'an unknown error costs a batch'                 runtime/backend/cuda_device.c 's/return code ? GPU_LOST : OK;/return code ? GPU_FAILED : OK;/' 'runtime/backend/cuda_device|runtime/backend/cuda_faults'
mutant 'a lost device gives its memory back'            runtime/backend/cuda_device.c 's/if (!d->lost) (void)outcome(d, "giving back"/(void)outcome(d, "giving back"/' 'runtime/backend/cuda_device|runtime/backend/cuda_faults'
mutant 'not ready stays for the next launch'            runtime/backend/cuda_device.c 's/if (class == PENDING) (void)cudaGetLastError();.*//' runtime/backend/cuda_device
mutant 'memory is given back under a running copy'      runtime/backend/cuda_device.c 's/if (d->n_held > mark) wait_for_streams(d);/(void)wait_for_streams;/' runtime/backend/cuda_faults
mutant 'another device'"'"'s choices are taken'         runtime/backend/cuda_choices.c 's/if (strncmp(text + first, c->identity, identity) ||/if (text[first] == 0 ||/' runtime/backend/cuda_choices
mutant 'a torn file of choices is taken'                runtime/backend/cuda_choices.c 's/        sum != sum_of(text, (size_t)(last + 1 - text)))/        sum == 1)/' runtime/backend/cuda_choices
mutant 'a stored algorithm is trusted'                  runtime/backend/cuda_tune.c 's/if (known \&\& cuda_gemm_usable(.*)) {/if (known) {/' runtime/backend/cuda_tune
mutant 'half a search is kept'                          runtime/backend/cuda_tune.c 's/return all ? cuda_choices_put/return all || true ? cuda_choices_put/' runtime/backend/cuda_tune
mutant 'float16 may overflow'                           runtime/backend/cuda_weights.c 's/if (isfinite(s->loose\[i\]) \&\&/if (false \&\& isfinite(s->loose[i]) \&\&/' runtime/backend/backend_cuda
mutant 'keys lie where queries do'                      runtime/backend/cuda_weights.c 's/^        to += size_of(&parts\[i\]);//' runtime/backend/backend_cuda

# versions on a disk
mutant 'a file of other bytes is the manifest'"'"'s'     runtime/model/manifest.c 's/if (strcmp(is.sha256, said->sha256))/if (false)/' runtime/model/manifest
mutant 'a version may be a link'                         runtime/base/file.c 's/O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC/O_DIRECTORY | O_CLOEXEC/' runtime/base/file
mutant 'a replaced file loses its mode'                  runtime/base/file.c 's/!fchmod(fd, st.st_mode \& 0777)/true/' runtime/base/file
mutant 'a manifest is not compared'                      runtime/serve/engine.c 's/if (rc == OK) rc = check_manifest/if (false) rc = check_manifest/' runtime/serve/engine
mutant 'golden cases are not run'                        runtime/serve/engine.c 's/if (rc == OK \&\& e->manifest \&\& !options.beside)/if (false)/' runtime/serve/engine
mutant 'longer texts break a contract'                   runtime/model/contract.c 's/next->max_tokens < live->max_tokens/next->max_tokens != live->max_tokens/' runtime/model/contract
mutant 'an unknown member is no matter'                  runtime/base/json.c 's/if (i == n) return fail/if (false) return fail/' runtime/model/contract
mutant 'golden rows that are brought are not compared'   server/pack.c 's/if (c->row) continue;/free(c->row);/' server/pack
mutant 'a row has more digits than it needs'             runtime/model/manifest.c 's/if (strtof(text, NULL) == v) break;//' runtime/model/manifest
mutant 'a link may leave the directory'                  runtime/base/file.c 's/.resolve = RESOLVE_BENEATH . RESOLVE_NO_MAGICLINKS/.resolve = 0/' runtime/serve/broken_bundles
mutant 'sums of a manifest are not compared'             runtime/serve/engine.c 's/status rc = manifest_verify(said, e->files, err);/status rc = OK;/' runtime/serve/broken_bundles
mutant 'the contract of a manifest is not compared'      runtime/serve/engine.c 's/if (rc == OK) rc = contract_same(.*/(void)contract_same;/' runtime/serve/broken_bundles
mutant 'shorter inputs break nothing'                    runtime/model/contract.c 's/if (next->max_tokens < live->max_tokens) add/if (0) add/' runtime/serve/broken_bundles

# bake and shadow
mutant 'one bad look fires'                              runtime/serve/bake.c 's/s->broken\[i\] >= rules\[i\].looks/s->broken[i] > 0/' runtime/serve/bake
mutant 'good looks do not reset the count'               runtime/serve/bake.c 's/broken ? s->broken\[i\] + 1 : 0/s->broken[i] + broken/' runtime/serve/bake
mutant 'few requests are judged'                         runtime/serve/bake.c 's/if (patient \&\& !enough) continue;/(void)enough;/' runtime/serve/bake
mutant 'a slow machine is the new version'"'"'s fault'   runtime/serve/bake.c 's/missed ? -1 : t->objective_ns/t->objective_ns + 0 * missed/' runtime/serve/bake
mutant 'errors before do not count'                      runtime/serve/bake.c 's/.errors = share(was) + errors_allowed(t)/.errors = errors_allowed(t)/' runtime/serve/bake
mutant 'a golden cosine of NaN passes'                   runtime/serve/bake.c 's/!(l->golden_least >= h->golden)/l->golden_least < h->golden/' runtime/serve/bake
mutant 'the last broken rule is told'                    runtime/serve/bake.c 's/for (int i = BAKE_RULES - 1; i >= 0; i--)/for (int i = 0; i < BAKE_RULES; i++)/' runtime/serve/bake
mutant 'any version'"'"'s rows are compared'             runtime/serve/shadow.c 's/sample->of == s->of/sample->of != NULL/' runtime/serve/shadow
mutant 'ids stay beyond the candidate'"'"'s words'       runtime/serve/shadow.c 's/if (r->told->comparable) return;/return;/' runtime/serve/shadow
mutant 'the shadow does not rest'                        runtime/serve/shadow.c 's/1 \/ SHADOW_SHARE - 1/0 * SHADOW_SHARE/' runtime/serve/shadow
mutant 'a row of zeros agrees'                           runtime/serve/shadow.c 's/if (isnan(cosine))/if (0 \&\& isnan(cosine))/' runtime/serve/shadow
mutant 'the best row is the median'                      runtime/serve/shadow.c 's/(out->ran - 1) \/ 2/out->ran - 1/' runtime/serve/shadow
mutant 'a lost device is the candidate'"'"'s fault'      runtime/serve/shadow.c 's/if (ends_it(rc))/if (ends_it(rc) \&\& 0)/' runtime/serve/shadow
mutant 'a skipped sample is not counted'                 runtime/serve/shadow.c 's/else if (rc == EXPIRED) r->told->skipped++;//' runtime/serve/shadow
mutant 'two loops copy into one slot'                    runtime/serve/shadow.c 's/&s->state, &wanted, TAKING, memory_order_acquire/\&s->state, \&wanted, WANTED, memory_order_acquire/' runtime/serve/shadow thread

# incidents
mutant 'an acknowledged incident is as good as closed'   server/incidents.c 's/n->state == INCIDENT_RESOLVED)) n = n->next/n->state != INCIDENT_OPEN)) n = n->next/' server/incidents
mutant 'a file that lies there is written over'          server/incidents.c 's/find(i, n->id) || (\*i->folder/find(i, n->id) || (0/' server/incidents
mutant 'a closed incident is closed again'               server/incidents.c 's/(\*n)->state == INCIDENT_RESOLVED/(*n)->state == INCIDENT_STATES/' 'server/incidents|server/incident_routes'
mutant 'what the disk refused is not written later'      server/incidents.c 's/if (n->unwritten) save(i, n);/(void)n;/' server/incidents
mutant 'each write that fails is a line'                 server/incidents.c 's/strcmp(reason, i->complaint)/*reason/' server/incidents
mutant 'the oldest files stay'                           server/incident_file.c 's/^    unlink(path);$/    (void)path;/' server/incidents
mutant 'a sign that lasts is counted each second'        server/incidents.c 's/known ? now_ns < s->again_ns : !s->began/!known \&\& !s->began/' server/incidents
mutant 'resolved while it lasts it opens again'          server/incidents.c 's/known ? now_ns < s->again_ns : !s->began/known \&\& now_ns < s->again_ns/' server/incidents
mutant 'a resolved incident in memory has no bundle'     server/incidents.c 's/resolved && (in_file || ++bundles > INCIDENTS_BUNDLES)/resolved \&\& (in_file || ++bundles > 0)/' server/incidents
mutant 'nobody is told of an end'                        server/incidents.c 's/    tell(i, n); .*$//' server/incidents
mutant 'a list is changed without its lock'              server/incidents.c '/^static incident \*begin/,/^}/s/pthread_mutex_\(un\)*lock(&i->lock);//' server/incidents thread
mutant 'an incident has no owner'                        server/incident_bundle.c 's/    if (m) {/    if (m \&\& 0) {/' server/incidents
mutant 'the address of who is told is told'              server/incident_bundle.c 's/^.*"incident-url=".*$//' server/incident_bundle
mutant 'the quickest of the slow come first'             server/incident_bundle.c 's/return (x < y) - (x > y)/return (x > y) - (x < y)/' server/incident_bundle
mutant 'a quantile is the edge below'                    server/incident_bundle.c 's/return total ? edges_ns\[i\] : 0/return total ? edges_ns[i ? i - 1 : 0] : 0/' server/incident_bundle
mutant 'a few bad requests are a burn'                   server/incident_signs.c 's/bad >= LEAST_BAD/bad > 0/' server/incident_signs
mutant 'the slow burn needs no hour'                     server/incident_signs.c 's/{1, 2, 6, 60}/{1, 2, 6, 0}/' server/incident_signs
mutant 'a burst is a burn'                               server/incident_signs.c 's/burn_rules\[\] = {{0, 1,/burn_rules[] = {{0, 0,/' server/incident_signs
mutant 'half of the requests are most'                   server/incident_signs.c 's/2 \* bad > more/2 * bad >= more/' server/incident_signs
mutant 'a file of another name is an incident'           server/incident_file.c 's/if (!strncmp(name, (\*read)->id, n) &&.*return OK;/if (n) return OK;/' server/incident_file
mutant 'half a letter is kept'                           server/incident_file.c 's/const size_t step = utf8_step((const unsigned char \*)from, left), take = step ? step : 1;/const size_t step = 1, take = 1;/' 'server/incident_file|server/incident_bundle'
mutant 'a page shows the first events'                   server/incidents_text.c 's/return (x > y) - (x < y);/return (x < y) - (x > y);/' server/incidents_text
mutant 'a summary moves the cursor'                      server/incidents_text.c 's/control ? " " : text/text/; s/const bool control = .*$//' server/incidents_text
mutant 'a bundle has all that was recorded'              server/flight_dump.c 's/n > most ? n - most : 0/n > most ? 0 : 0/' 'server/flight_dump|server/incident_bundle'

# door, http client, notify, commands
mutant 'a name that begins with localhost is ours'      server/door.c 's/!strcasecmp(name, "localhost")/!strncasecmp(name, "localhost", 9)/' server/door
mutant 'any Host is let in'                              server/door.c 's/if (!\*d->host) return true;/return true;/' server/door
mutant 'a prefix of a key opens'                         server/door.c 's/CRYPTO_memcmp(given.digest, d->keys\[i\].digest, DIGEST)/CRYPTO_memcmp(given.digest, d->keys[i].digest, 0)/' server/door
mutant 'only the last key counts'                        server/door.c 's/right |= /right = /' server/door
mutant 'a key file may be read by its group'             server/door.c 's/is.st_mode & 077)/is.st_mode \& 037)/' server/door
mutant 'health wants a key'                              server/door.c 's/return \*d->file \&\& (head/return *d->file || (head/' server/door
mutant 'keys behind a NUL are lost without a word'       server/door.c 's/strlen(text) != (size_t)n/0/' server/door
mutant 'keys change while a loop looks at them'          server/door.c 's/^    pthread_mutex_\(un\)\?lock(&d->lock);//' server/door thread
mutant 'an interim answer is the answer'                 server/http_answer.c 's/if (a->code >= 200) return OK;/return OK;/' server/http_answer
mutant 'half a body is enough'                           server/http_answer.c 's/return fail(why, IO_FAILED, "half a body");/return OK;/' server/http_answer
mutant 'a body may have two lengths'                     server/http_answer.c 's/if (a->phase != ANSWER_REST)/if (0)/' server/http_answer
mutant 'chunks have no limit'                            server/http_answer.c 's/a->chunks.left + body->n <= /body->n <= /' server/http_answer
mutant 'a certificate may be for any name'               server/http_client.c 's/SSL_set1_host(t->session, name) == 1 \&\& //' server/http_client
mutant 'headers are sent unseen'                         server/http_client.c 's/if (!are_headers(q->headers))/if (0 \&\& !are_headers(q->headers))/' server/http_client
mutant 'framing may be given from outside'               server/http_client.c 's/ || is_ours(name)) return false/ || (0 \&\& is_ours(name))) return false/' server/http_client
mutant 'a TLS peer that leaves ends the process'         server/http_client.c 's/pthread_sigmask(SIG_BLOCK, pipe, before);/pthread_sigmask(SIG_UNBLOCK, pipe, before);/' server/http_client
mutant 'the path of a URL is shown'                      server/http_client.c 's/%s...: wanted a path of visible ASCII, without a fragment", where)/%s...: wanted a path of visible ASCII, without a fragment", url)/' server/http_client
mutant 'a refused document is posted again'              server/notify.c 's/drop_locked(n, 0, why->text);/n->due_ns = clock_ns() + MS;/' server/notify
mutant 'the document on its way gives way'               server/notify.c 's/drop_locked(n, n->trying, /drop_locked(n, 0, /' server/notify
mutant 'closing waits for a silent server'               server/notify.c 's/n->left = !n->ended;/n->left = false;/' server/notify
mutant 'the last key is shown'                           server/ops_client.c 's/while (!\*key \&\& getline/while (getline/' server/ops_client
mutant 'a no of the server is a yes'                     server/ops_client.c 's/\*code < 200 || \*code > 299/*code < 200 || *code > 499/' server/ops_client
mutant 'parts of a second are rounded away'              server/release_command.c 's/ms % 1000 == 0;/ms >= 0;/' server/release_command
mutant 'the bar is for logs too'                         server/release_command.c 's/if (terminal \&\& !strcmp(state, "running"))/if (!strcmp(state, "running"))/' server/release_command
mutant 'a bar is wider than a line'                      server/release_text.c 's/COLUMNS = 79/COLUMNS = 80/' server/release_text
mutant 'a detail moves the cursor'                       server/release_text.c 's/control ? " "/control \&\& wide ? " "/' server/release_text

# TLS, unix sockets, who comes in
mutant 'TLS 1.0 is taken'                               server/http_tls.c  's/TLS1_2_VERSION/TLS1_VERSION/' server/http_tls
mutant 'TLS 1.2 is refused'                             server/http_tls.c  's/TLS1_2_VERSION/TLS1_3_VERSION/' server/http_tls
mutant 'a missing close_notify is an error'             server/http_tls.c  's/ | SSL_OP_IGNORE_UNEXPECTED_EOF//' server/http_tls
mutant 'a refused file is told without its cause'       server/http_tls.c  's/ERR_peek_error/ERR_peek_last_error/' server/http_tls
mutant 'any key fits a certificate'                     server/http_tls.c  's/SSL_CTX_check_private_key(c) != 1/0/' server/http_tls
mutant 'a password is asked for'                        server/http_tls.c  's/SSL_CTX_set_default_passwd_cb(c, no_password);/(void)no_password;/' server/http_tls
mutant 'a reload changes nothing'                       server/http_tls.c  's/^    t->context = next;/    t->context = SSL_CTX_up_ref(before) ? before : next;/' server/http_tls
mutant 'a certificate is taken without its lock'        server/http_tls.c  's/^    pthread_mutex_lock(&t->lock);$//; s/^    pthread_mutex_unlock(&t->lock);$//' server/http_tls thread
mutant 'an encrypted connection ends without a word'    server/http_connection.c 's/if (k->encrypted) http_tls_finish(k->stream);//' server/http_tls
mutant 'a half-closed client waits for its last reply'  server/http_connection.c 's/^        bufferevent_enable(k->stream, EV_WRITE);.*//' server/http_tls
mutant 'replies are sent in the clear'                  server/http_connection.c 's/k->encrypted = s->tls;/k->encrypted = false;/' server/http_tls
mutant 'a handshake may take as long as idleness'       server/http_connection.c 's/^    http_add_timer(k->deadline, s->limits.head_ms); .*//' server/http_tls
mutant 'one too many gets plain bytes'                  server/http.c      's/ \&\& !l->server->tls) (void)/) (void)/' server/http_tls
mutant 'a group may use the socket'                     server/http_listener.c 's/umask(0177)/umask(0077)/' server/http_listener
mutant 'the umask stays'                                server/http_listener.c 's/^    umask(before);/    (void)before;/' server/http_listener
mutant 'a live socket is replaced'                      server/http_listener.c 's/if (answered != ECONNREFUSED)/if (answered == EPERM)/' server/http_listener
mutant 'a stale socket is not replaced'                 server/http_listener.c 's/if (answered != ECONNREFUSED)/if (answered >= 0)/' server/http_listener
mutant 'a file in the way is removed'                   server/http_listener.c 's/if (!S_ISSOCK(what.st_mode))/if (0)/' server/http_listener
mutant 'a link to a socket is a socket'                 server/http_listener.c 's/if (lstat(/if (stat(/' server/http_listener
mutant 'a path may lack room for its end'               server/http_listener.c 's/strlen(path) >= sizeof at.sun_path/strlen(path) > sizeof at.sun_path/' server/http_listener
mutant 'a socket stays behind'                          server/http.c      's/if (s->owns_path) unlink(s->limits.unix_path);$/if (s->owns_path) (void)0;/' server/http_listener
mutant 'what a successor put there is removed'          server/http.c      's/^    s->owns_path = false;//' server/http_listener
mutant 'a failed start removes a socket of another'     server/http.c      's/s->owns_path = rc == OK \&\& limits.unix_path;/s->owns_path = limits.unix_path;/' server/http_listener
mutant 'TCP has a uid behind it'                        server/http_connection.c 's/if (!s->limits.unix_path) return -1;/(void)s;/' server/http_listener
mutant 'a stranger comes in by the socket'              server/http_connection.c 's/uid > 0 \&\& uid != geteuid()/uid > 0 \&\& uid < 0/' server/http_listener
mutant 'a call does not know who asks'                  server/http_connection.c 's/e->c.peer_uid = k->peer_uid;//' server/http_listener
mutant '401 does not say how'                           server/http_connection.c 's/refused == 401 ? "www-authenticate: Bearer\\r\\n" : NULL/NULL/' server/http_admit
mutant 'a refused body is parsed as a request'          server/http_connection.c 's/^    if (c->head.chunked || c->head.length) k->keep_alive = false;//' server/http_admit
mutant 'unknown paths need no admission'                server/http_connection.c 's/= s->limits.admit ?/= found \&\& s->limits.admit ?/' server/http_admit
mutant 'only 403 refuses'                               server/http_connection.c 's/    if (refused) {/    if (refused == 403) {/' server/http_admit
mutant 'who expects 100 is not asked who it is'         server/http_connection.c 's/^    const int refused = s->limits.admit ?/    const int refused = s->limits.admit \&\& !r->expects_continue ?/' server/http_admit
mutant 'names in a path are not handed on'              server/http_connection.c 's/^    (void)route_matches(found, r->path, c->wildcard);//' server/http_admit
mutant 'Misdirected is Validation'                      server/error_body.c 's/case 421: return "Misdirected";//' server/http_admit
mutant 'Conflict is Validation'                         server/error_body.c 's/case 409: return "Conflict";//' 'server/http$'
mutant 'Forbidden is Validation'                        server/error_body.c 's/case 403: return "Forbidden";//' 'server/http$'
mutant '421 has no reason'                              server/http_reply.c 's/{421, "Misdirected Request"}, //' 'server/http_admit|server/http_reply'
mutant '409 has no reason'                              server/http_reply.c 's/{409, "Conflict"},$//' server/http_reply
mutant '202 has no reason'                              server/http_reply.c 's/{202, "Accepted"}, //' server/http_reply
mutant 'two write to the ledger at once'                server/ledger.c 's/^    pthread_mutex_lock(&l->writing);$//; s/^    pthread_mutex_unlock(&l->writing);$//' server/ledger thread

# versions, probe, releases
# versions, probe, releases
mutant 'what is held is closed'                         runtime/serve/versions.c 's/if (v->refs > 0) {/if (v->refs > 1) {/' runtime/serve/versions
mutant 'a failed bake leaves none to go back to'        runtime/serve/versions.c 's/vs->previous = vs->older;/vs->previous = NULL;/' runtime/serve/versions
mutant 'a bake that nobody settled leaks a version'     runtime/serve/versions.c 's/.* of a bake that was never settled .*//' runtime/serve/versions
mutant 'a rollback cannot be taken back'                runtime/serve/versions.c 's/^        vs->previous = vs->active;/        vs->previous = NULL;/' runtime/serve/versions
mutant 'settling retires the way back'                  runtime/serve/versions.c '/^void versions_settle/,/^}/s/&vs->older/\&vs->previous/' runtime/serve/versions
mutant 'who answers again does so since ever'           runtime/serve/versions.c 's/^        begin_locked(back);//' runtime/serve/versions
mutant 'a held version is not told of'                  runtime/serve/versions.c 's/^            held++;$//' runtime/serve/versions
mutant 'a version is named by what a header cannot say' runtime/serve/versions.c "s/from\[i\] > ' ' && from\[i\] < 0x7f/from[i] != ' '/" runtime/serve/versions
mutant 'a version is taken without the lock'            runtime/serve/versions.c '/^static version \*acquire/,/^}/{s/pthread_mutex_lock(&vs->lock);/(void)vs;/;s/pthread_mutex_unlock(&vs->lock);//}' runtime/serve/versions thread
mutant 'since when is read while it is written'         runtime/serve/versions.h 's/_Atomic int64_t since_unix_s/int64_t since_unix_s/' runtime/serve/versions thread
mutant 'a batch is of two versions'                     runtime/serve/queue.c 's/if (b.n > 0 && j->engine != b.engine) {/if (b.n > 99 \&\& j->engine != b.engine) {/' runtime/serve/queue
mutant 'a cut between versions is an idle one'          runtime/serve/queue.c '/waits for the next batch: this one is of another/,/}/s/b.trigger = TRIGGER_FULL;//' runtime/serve/queue
mutant 'new times leave the old plan'                   runtime/serve/queue.c '/^status queue_set_service/,/^}/s/q->plan = policy_plan_make.*//' runtime/serve/queue
mutant 'what runs between counts as its own'            runtime/serve/queue.c 's/j->device_ns += computed_ns - begun_ns;/j->device_ns = j->computed_ns - j->begun_ns;/' runtime/serve/queue
mutant 'a full queue ends a probe'                      runtime/serve/probe.c 's/if (rc != OVERLOADED) return rc;/return rc;/' runtime/serve/probe
mutant 'a probe goes before clients'                    runtime/serve/probe.c 's/\.lane = LANE_BULK,/.lane = LANE_INTERACTIVE,/' runtime/serve/probe
mutant 'a probe forgets to normalize'                   runtime/serve/probe.c 's/\.normalize = e->description.normalize,/.normalize = false,/' runtime/serve/probe
mutant 'what is cut in pieces is timed as one'          runtime/serve/probe.c 's/batcher_plan(b).quantum_tokens \/ each/batcher_plan(b).budget_tokens \/ each/' runtime/serve/probe
mutant 'inputs are longer than the model reads'         runtime/serve/probe.c 's/least(SHORT_TOKENS, e->description.max_tokens)/SHORT_TOKENS/' runtime/serve/probe
mutant 'a table of times may fall'                      runtime/serve/probe.c 's/if (rc == OK) stopwatch_keep_rising(out);/if (rc == OK) {}/' runtime/serve/probe
mutant 'a golden case that is not finite is the best'   runtime/serve/probe.c 's/\*least_cosine = NAN;//' runtime/serve/probe
mutant 'golden sequences are not compared'              runtime/serve/probe.c 's/if (rc == OK) rc = golden_check(e->golden, rows, err);//' runtime/serve/probe
mutant 'golden cases are not compared'                  runtime/serve/probe.c 's/if (rc == OK) rc = engine_golden_compare/if (false) rc = engine_golden_compare/' 'runtime/serve/probe|e2e/release'
mutant 'two releases at once'                           server/release.c 's/    if (r->told == STATE_RUNNING) {/    if (r->told == STATE_DONE) {/' e2e/release
mutant 'a step that is skipped ends a release'          server/release.c 's/if (rc == OK || rc == EMPTY) return LEDGER_OK;/if (rc == OK) return LEDGER_OK;/' e2e/release
mutant 'a rollback amid a bake has to wait'             server/release.c 's/baking = running && r->work.baking;/baking = false;/' e2e/release
mutant 'a rollback is no line of the ledger'            server/release.c 's/    if (rc == OK) write_rollback(r, reason, who, \*took_ns);/    (void)write_rollback;/' e2e/release
mutant 'what was retired stays in memory'               server/release.c 's/while (versions_reap(r->a->versions) > 0 && /while (false \&\& /' e2e/release
mutant 'steps of the release before are told'           server/release.c 's/memset(r->steps, 0, sizeof r->steps);//' e2e/release
mutant 'a candidate teaches the forecasts'              server/release.c 's/^    status rc = release_follow(a, NULL, err);/    status rc = OK;/' server/console_state
mutant 'a broken contract cannot be meant'              server/release_steps.c 's/    if (w->order.breaking) {/    if (false) {/' e2e/release
mutant 'memory is not looked at'                        server/release_steps.c 's/if (available >= 0 && wanted + files > available)/if (available < -1)/' e2e/release
mutant 'a batch has room for any input'                 server/release_steps.c 's/if (rc == OK) rc = check_room(w, w->candidate->engine, err);/(void)check_room;/' e2e/release
mutant 'wrong golden rows are released'                 server/release_steps.c 's/status rc = probe_golden(w->a->queue, w->candidate/status rc = OK; (void)probe_golden(w->a->queue, w->candidate/' e2e/release
mutant 'a shadow is not judged'                         server/release_steps.c 's/    if (rc == OK) rc = shadow_judge(&r, err);/    (void)shadow_judge;/' e2e/release
mutant '--keep 0 keeps'                                 server/release_steps.c 's/if (!w->a->options->keep) versions_drop_previous/if (false) versions_drop_previous/' e2e/release
mutant 'what has passed is forgotten by a restart'      server/release_steps.c 's/    if (rc == OK) release_keep(w->a);//' e2e/recover
mutant 'after a rollback the slow one is forecast'      server/release_steps.c 's/^    if (rc == OK) rc = release_follow(w->a, NULL, err);/    (void)w->a->queue;/' e2e/regression
# what is told of them
mutant 'a late p99 is not said'                         server/status_text.c 's/p99_ms > limit_ms ?/p99_ms > 9 * limit_ms ?/' server/status_text
mutant 'an age is since 1970'                           server/status_text.c 's/now_s - number(v, "since")/now_s/' server/status_text
mutant 'closed incidents are told'                      server/status_text.c 's/if (!strcmp(string(i, "state"), "resolved")) continue;//' server/status_text
mutant 'a day is 24 hours'                              server/status_text.c 's/seconds < units\[i\].s) i++/seconds <= units[i].s) i++/' server/status_text
mutant 'the console tells of a version while it loads'  server/console_state.c 's/if (phase != APP_LOADING) {/if (phase == APP_READY) {/' server/console_state
mutant 'who waits has waited less than nothing'         server/console_state.c 's/n.oldest_ns ? (double)(clock_ns() - n.oldest_ns)/n.oldest_ns ? (double)(n.oldest_ns - clock_ns())/' server/console_state
mutant 'a step is told again and again'                 server/release_text.c 's/if (i++ < \*told) continue;/i++;/' server/release_text
mutant 'any release is the one that was asked for'      server/release_text.c 's/(int64_t)number_of(release, "number") == number/number/' server/release_text
mutant 'the first step is the reason'                   server/release_text.c 's/if (strcmp(string(step, "state"), "failed")) continue;/if (!has_ended(step)) continue;/' server/release_text
mutant 'a release without an end is none'               server/report_figures.c 's/end_with(f, INTERRUPTED); \/\* another/(void)0; \/* another/' server/report_figures
mutant 'a time may be negative'                         server/report_figures.c 's/    if (!(v >= 0)) return;//' server/report_figures
mutant 'a rollback before it opened ended an incident'  server/report_figures.c 's/if (f->rollbacks.at\[i\] >= opened)/if (f->rollbacks.at[i] < opened)/' server/report_figures
mutant 'the median of two is the larger'                server/report_figures.c 's/(s->at\[(s->n - 1) \/ 2\] + s->at\[s->n \/ 2\]) \/ 2/s->at[s->n \/ 2]/' server/report_figures
mutant 'the file cache of a group is lost'              runtime/base/memory.c 's/ + cache//g' runtime/base/memory
mutant 'the larger of system and group is free'         runtime/base/memory.c 's/left < available ? left : available/left < available ? available : left/' runtime/base/memory
mutant 'a word without a number is a number'            runtime/base/memory.c 's/return end > line + strlen(name);/return true;/' runtime/base/memory
mutant 'a key file may be a FIFO, and is waited for'   server/door.c 's/O_RDONLY | O_CLOEXEC | O_NONBLOCK/O_RDONLY | O_CLOEXEC/' server/door
mutant 'what begins like health needs no key'          server/door.c 's/memcmp(head->path.p, health, sizeof health - 1)/memcmp(head->path.p, health, 7)/' server/door
mutant 'any scheme of seven letters is Bearer'         server/door.c 's/strncasecmp(authorization.p, scheme, skip)/0/' server/door
mutant 'a long host is cut to ours'                    server/door.c 's/if (n == 0 || n >= sizeof name) return false;/if (n == 0) return false;/;s/memcpy(name, from, n);/memcpy(name, from, n < 255 ? n : 255);/;s/name\[n\] = 0;/name[n < 255 ? n : 255] = 0;/' server/door
mutant 'another user'"'"'s key file is taken'          server/door.c 's/is.st_uid && is.st_uid != geteuid()/is.st_uid \&\& 0/' server/door
mutant 'a signal ends the wait'                        server/http_client.c 's/+ 1) > 0) return OK;/+ 1) > 0) return OK; else break;/' server/http_client
mutant 'each byte begins the deadline anew'            server/http_client.c 's/^        n += got;$/&\n        t->until_ns = clock_ns() + (int64_t)t->q->limit_ms * 1000000;/' server/http_client
mutant 'an end without a goodbye is a TLS error'       server/http_client.c 's/SSL_R_UNEXPECTED_EOF_WHILE_READING)/-99)/' server/http_client
mutant 'a connection stays open'                       server/http_client.c 's/    if (t.fd >= 0) close(t.fd);//' server/http_client
mutant 'no certificate is checked'                     server/http_client.c 's/SSL_VERIFY_PEER/SSL_VERIFY_NONE/' server/http_client
mutant 'only 200 takes a document'                     server/notify.c 's/return code >= 200 \&\& code < 300;/return code == 200;/' server/notify
mutant 'only 404 is given up'                          server/notify.c 's/return code >= 400 \&\& code < 500 /return code == 404 /' server/notify
mutant 'pauses do not grow'                            server/notify.c 's/i++) pause_ms \*= 2;/i++) pause_ms *= 1;/' server/notify
mutant 'a document that leaves hastens the next'       server/notify.c 's/^    memmove(&n->ring\[at\].*/&\n    n->due_ns = 0;/' server/notify
mutant 'the path of a hook is logged'                  server/notify.c 's/"%s: %s; trying again", n->where,/"%s: %s; trying again", n->url,/' server/notify
mutant 'closing waits for the try'                     server/notify.c 's/while (!n->ended \&\& clock_ns() < n->end_ns)/while (!n->ended)/' server/notify

# precisions of the CPU
mutant 'the last of a low fit is dropped'        kernels/cpu/lanes_low.h 's/1.118920213e-05f/0/' kernels/cpu/gemm_bf16
mutant 'the bump of GELU has no end'             kernels/cpu/lanes_low.h 's/lanes_max(lanes_set(-limit), lanes_min/lanes_max(lanes_set(-9), lanes_min/' kernels/cpu/gemm_bf16
mutant 'tanh GELU is the other one'              kernels/cpu/lanes_low.h 's/return lanes_gelu_tanh_low(x);/return lanes_gelu_low(x);/' kernels/cpu/gemm_bf16
mutant 'a tie of bfloat16 goes up'               kernels/cpu/gemm_bf16.c 's/+ 0x7fffu + (bits >> 16 & 1)/+ 0x8000u/' kernels/cpu/gemm_bf16
mutant 'tiles have rows that are not there'      kernels/cpu/gemm_low_amx.c 's/.rows = {first, first, second, second, first, second, ROWS, ROWS}/.rows = {ROWS, ROWS, ROWS, ROWS, first, ROWS, ROWS, ROWS}/' kernels/cpu/gemm_bf16
mutant 'the lower tile is stored a row too high' kernels/cpu/gemm_low_amx.c 's/_tile_stored(2, sums + ROWS \* LOW_SUMS, stride);/_tile_stored(2, sums + (ROWS - 1) * LOW_SUMS, stride);/' kernels/cpu/gemm_bf16
mutant 'every fourth row reads the one before'   kernels/cpu/gemm_bf16_avx512bf16.c 's/r % 4 == 3 ? three : /r % 4 == 3 ? 2 * a_stride : /' kernels/cpu/gemm_bf16
mutant 'a bf16 product stores too many columns'  kernels/cpu/gemm_low_store.h 's/else lanes_store_n(c, x, left);/else lanes_store(c, x);/' kernels/cpu/gemm_bf16
mutant 'bytes are taken for words'                      kernels/cpu/gemm_int8_avx512vnni.c 's/_mm512_dpbusd_epi32(/_mm512_dpwssds_epi32(/' kernels/cpu/gemm_int8
mutant 'sums of several chains are one'                 kernels/cpu/gemm_int8_avx512vnni.c 's/for (int chain = 1; chain < chains/for (int chain = 1; chain < chains - 1/' kernels/cpu/gemm_int8
mutant 'the third row below is the second'              kernels/cpu/gemm_int8_avx512vnni.c 's/three = 3 \* a_stride/three = 2 * a_stride/' kernels/cpu/gemm_int8
mutant 'the second rows of AMX start at 0'              kernels/cpu/gemm_low_amx.c 's/        BEGIN(2, 0);/        _tile_zero(2);/' kernels/cpu/gemm_int8
mutant 'tiles keep the rows of the first block'         kernels/cpu/gemm_low_amx.c 's/if (rows != configured) configure/if (!configured) configure/' kernels/cpu/gemm_int8
mutant 'an even byte keeps no sign'                     kernels/cpu/gemm_int8_avx2.c 's/out\[0\] = _mm256_srai_epi16(/out[0] = _mm256_srli_epi16(/' kernels/cpu/gemm_int8
mutant 'a chunk is too deep for a float'                kernels/cpu/gemm_int8_loops.h 's/CHUNK = 256/CHUNK = 1024/' kernels/cpu/gemm_int8
mutant 'every second chunk of k is left out'            kernels/cpu/gemm_int8_loops.h 's/k += CHUNK) {/k += 2 * CHUNK) {/' kernels/cpu/gemm_int8
mutant 'what 128 adds is not taken off'                 kernels/cpu/gemm_int8.c 's/= -128 \* sum/= -127 * sum/' kernels/cpu/gemm_int8
mutant 'weights are cut, not rounded'                   kernels/cpu/gemm_int8.c 's/(int8_t)lrint(/(int8_t)(/' kernels/cpu/gemm_int8
mutant 'the scale of a row is that of its neighbour'    kernels/cpu/gemm_low_store.h 's/whole ? e->a_scale + row : NULL;/whole ? e->a_scale + (row ? row - 1 : 0) : NULL;/' kernels/cpu/gemm_int8
mutant 'a NaN is rounded to a bfloat16'                 kernels/cpu/lanes_int8_avx512.h 's/_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q)/0/' kernels/cpu/gemm_int8
mutant 'the last columns are stored whole'              kernels/cpu/gemm_low_store.h 's/columns - n, at + n, activation, bf16, whole);/LANES, at + n, activation, bf16, whole);/' kernels/cpu/gemm_int8
mutant 'a row with NaN has a number as its scale'       kernels/cpu/quantize_loops.h 's/!isfinite(largest) ? NAN : largest/!isfinite(largest) ? 0 : largest/' kernels/cpu/quantize
mutant 'the largest of a row forgets a register'        kernels/cpu/quantize_loops.h 's/lanes_larger(most\[2\], most\[3\])/most[2]/' kernels/cpu/quantize
mutant 'bytes are in the order of the halves'           kernels/cpu/lanes_int8_avx2.h 's/_mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)/_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)/' kernels/cpu/quantize
mutant 'magnitudes are compared with their sign'        kernels/cpu/lanes_int8_portable.h 's/(lanes_bits)x & 0x7fffffff/(lanes_bits)x/' kernels/cpu/quantize
mutant 'a tiny row is divided by'                       kernels/cpu/quantize_loops.h 's/largest < 1e-36f ? 0/largest < 0 ? 0/' kernels/cpu/quantize
mutant 'a levelled row is not levelled'                 kernels/cpu/quantize_loops.h 's/else if (q->inverse) quantize_row(q, row, 0, 1);/else if (q->inverse) quantize_row(q, row, 0, 0);/' kernels/cpu/quantize
mutant 'the last columns are not in the largest'       kernels/cpu/quantize_loops.h 's/most\[0\] = lanes_larger(most\[0\], elements(q, row, k, q->K - k, low, levelled));/;/' kernels/cpu/quantize
mutant 'a chain of a norm is left out'                 kernels/cpu/norm_loops.h 's/lanes_add(chains\[2\], chains\[3\])/chains[2]/' kernels/cpu/norm
mutant 'the largest score is not taken off'        kernels/cpu/attention_head.h 's/lanes_mul(lanes_load(b->largest + v \* LANES), c)/lanes_mul(lanes_set(0), c)/' kernels/cpu/attention
mutant 'the clamp of a weight takes NaN away'      kernels/cpu/attention_head.h 's/lanes_max(lanes_set(-100), lanes_fma(lanes_load(scores), c, most))/lanes_max(lanes_fma(lanes_load(scores), c, most), lanes_set(-100))/' kernels/cpu/attention
mutant 'a store of outputs takes too many columns' kernels/cpu/attention_head.h 's/h->width - column - v \* LANES);/LANES);/' kernels/cpu/attention
mutant 'a coefficient of 2^x is rounded'           kernels/cpu/lanes_exp2.h 's/0.009675541334f/0.00968f/' kernels/cpu/lanes_exp2
mutant 'a coefficient of the wide low fit is off'  kernels/cpu/lanes_exp2.h 's/0.2260671554f/0.2261671554f/' kernels/cpu/lanes_exp2_wide
mutant 'the bits of a NaN decide whether it stays' kernels/cpu/lanes_portable.h 's/return y \* (lanes)((lanes_bits)lanes_shifted(x) << 23);/return (lanes)((lanes_bits)y + ((lanes_bits)(lanes_shifted(x) - lanes_set(127)) << 23));/' kernels/cpu/lanes_exp2
mutant 'bf16 tiles attend to keys that are not there' kernels/cpu/attention_bf16_amx.c 's/there < ROWS \&\& r < ROWS/there < 0 \&\& r < ROWS/' kernels/cpu/attention_bf16
mutant 'bf16 tiles do not take the largest off'    kernels/cpu/attention_bf16_amx.c 's/lanes_mul(largest_of_each(most), c)/lanes_mul(lanes_set(0), c)/' kernels/cpu/attention_bf16
mutant 'the sums of weights are of values'         kernels/cpu/attention_bf16_amx.c 's/if (column == 0) _tile_dpbf16ps(2, 6, 4);/_tile_dpbf16ps(2, 6, 7);/' kernels/cpu/attention_bf16
mutant 'a short block of queries lies in its rows' kernels/cpu/attention_bf16_amx.c 's/rows == ROWS \&\& h->width/rows <= ROWS \&\& h->width/' kernels/cpu/attention_bf16
mutant 'an odd width takes its neighbour along'    kernels/cpu/attention_bf16_avx512bf16.c 's/if (width % 2) {/if (width % 2 > 2) {/' kernels/cpu/attention_bf16
mutant 'pairs are read beyond the width'           kernels/cpu/attention_bf16_pairs.h 's/pair_mask(n), row/~(__mmask32)0, row/' kernels/cpu/attention_bf16
mutant 'a NaN of bfloat16 rounds to infinity'      kernels/cpu/narrow_loops.h 's/> 0x7f800000u ? nan : rounded/> 0x7fffffffu ? nan : rounded/' kernels/cpu/gemm_bf16
mutant 'bfloat16 is cut, not rounded'              kernels/cpu/gemm_bf16.c 's/bits + 0x7fffu + (bits >> 16 \& 1)/bits/' kernels/cpu/gemm_bf16
mutant 'a tile of AMX reads the pairs of the next panel' kernels/cpu/gemm_low_amx.c 's/_tile_loadd(7, b + b_panel, STEP);/_tile_loadd(7, b, STEP);/' kernels/cpu/gemm_bf16
mutant 'the rows below a tile of AMX are those of the tile' kernels/cpu/gemm_low_amx.c 's/\*low = a + ROWS \* a_stride/*low = a/' kernels/cpu/gemm_bf16
mutant 'odd halves of a pair are even ones'        kernels/cpu/gemm_bf16_loops.h 's/(lanes)(pairs\[v\] \& 0xffff0000u)/(lanes)(pairs[v] << 16)/' kernels/cpu/gemm_bf16
mutant 'a row ends before the step that is read of it'  runtime/backend/cpu_flow.c 's/stride_of((size_t)gemm_bf16_depth(shape->hidden), sizeof(float))/stride_of(H, sizeof(float))/' runtime/backend/backend_cpu
mutant 'a lower precision is float32 under another name' runtime/backend/backend_cpu.c 's/return declared \&\& !strcmp(declared, "int8") ? CPU_INT8 : CPU_FLOAT32;/return CPU_FLOAT32;/' runtime/backend/backend_cpu
mutant 'a group of sequences has the starts of another' runtime/backend/backend_cpu.c 's/= b->starts + g->n0 + i; /= b->starts; /' runtime/backend/backend_cpu
mutant 'a meeting is over with the first'               runtime/backend/workers.c 's/const int arrivals = meeting \* w->tasks;/const int arrivals = meeting;/' runtime/backend/workers
mutant 'who sleeps at a meeting is not woken'           runtime/backend/workers.c 's/pthread_cond_broadcast(&w->all_met);//' runtime/backend/workers
mutant 'meetings of the run before count'               runtime/backend/workers.c 's/^    atomic_store(&w->met, 0);//' runtime/backend/workers
mutant 'keys of a layer are overwritten too early'      runtime/backend/cpu_flow.c 's/^    await(f); .. whoever reads the keys.*//' runtime/backend/backend_cpu
mutant 'a cut text is pooled twice'                     runtime/backend/cpu_flow.c 's/starts\[s\] < f->part.row0 ? s + 1 : s/starts[s] < f->part.row0 ? s : s/' runtime/backend/backend_cpu
mutant 'queries of a cut text from its begin'           runtime/backend/cpu_flow.c 's/query0 = larger(f->part.row0 - start, 0) +/query0 =/' runtime/backend/backend_cpu
mutant 'rows come in the order that computes them'      runtime/backend/cpu_flow.c 's/return (int)(uint32_t)f->rows->order\[s\];/return (int)(uint32_t)f->rows->order[0] + s;/' runtime/backend/backend_cpu
mutant 'a group has the head rows of another'           runtime/backend/backend_cpu.c 's/rows.head = g->n0;/rows.head = 0;/' runtime/backend/backend_cpu
mutant 'a cut text is not told'                         runtime/backend/cpu_share.c 's/cut = cut || starts/cut = starts[0] \&\& starts/' runtime/backend/cpu_share
mutant 'one thread may have far too much'               runtime/backend/cpu_share.c 's/UNEVEN_PERCENT = 3/UNEVEN_PERCENT = 40/' runtime/backend/cpu_share
mutant 'a group may be larger than its area'            runtime/backend/cpu_share.c 's/return largest <= r->area_rows;/return true;/' runtime/backend/cpu_share
mutant 'rows are cut within a tile'                     runtime/backend/cpu_share.c 's/(rows + r->tile_rows \/ 2) \/ r->tile_rows \* r->tile_rows/rows/' runtime/backend/cpu_share
mutant 'a long text costs no more'                      runtime/backend/cpu_share.c 's/(r->row_cost + r->pair_cost \* length)/(r->row_cost + 0 * length)/' runtime/backend/cpu_share
mutant 'sequences are dealt out unsorted'               runtime/backend/cpu_share.c 's/sort_descending(out->order, S);/sort_descending(out->order, 1);/' runtime/backend/cpu_share
mutant 'columns of a norm are levelled one way'    runtime/backend/cpu_flow.c 's/.inverse = f->next->inverse, //' 'runtime/backend/backend_cpu|golden/vectors'
mutant 'a manifest precision gives way to the command' runtime/serve/engine.c 's/if (rc == OK \&\& e->options.precision \&\& strcmp/if (rc == OK \&\& e->options.plain \&\& strcmp/' runtime/serve/engine
. "$here/tests/mutants_bench.sh"

[ ${#what[@]} -gt 0 ] || { echo "mutants.sh: no row matches $pattern"; exit 2; }

# Sources alone: what lies in build/ is of another tree.  The model is read where it is.
mkdir "$tree"
tar -C "$here" --exclude=./build --exclude=./models --exclude=./.git -cf - . | tar -C "$tree" -xf -
[ ! -e "$here/models" ] || ln -s "$here/models" "$tree/models"

compile() { cmake --build "$work/build-$1" --target beeline-tests >"$work/log" 2>&1; } # compile SANITIZER
# A break may make a test wait for ever; the entries have longer limits of their own.
run() { timeout 90 ctest --test-dir "$work/build-$1" --no-tests=error -R "^($2)\$" >"$work/log" 2>&1; } # run SANITIZER TESTS

for kind in $(printf '%s\n' "${sanitizer[@]}" | sort -u); do
    # Without nvcc's part: the fake device runs the same sources.
    flags=(-DCMAKE_BUILD_TYPE=Release -DBEELINE_CUDA=OFF)
    [ "$kind" = none ] || flags=(-DCMAKE_BUILD_TYPE=RelWithDebInfo -DBEELINE_CUDA=OFF "-DBEELINE_SANITIZE=$kind")
    if ! cmake -S "$tree" -B "$work/build-$kind" -G Ninja "${flags[@]}" >"$work/log" 2>&1 || ! compile "$kind"; then
        cat "$work/log"
        exit 2
    fi
    for i in "${!what[@]}"; do [ "${sanitizer[i]}" != "$kind" ] || echo "${tests[i]}"; done | sort -u >"$work/entries"
    while read -r entries; do
        run "$kind" "$entries" || { echo "red before anything is broken: $entries ($kind)"; tail -n 20 "$work/log"; exit 2; }
    done <"$work/entries"
done

killed=0 bad=0
for i in "${!what[@]}"; do
    source="$tree/${file[i]}"
    [ -f "$source" ] || { echo "no such file: ${what[i]} (${file[i]})"; bad=1; continue; }
    cp "$source" "$work/saved"
    sed -i "${change[i]}" "$source"
    if cmp -s "$source" "$work/saved"; then verdict='changes nothing'
    elif ! compile "${sanitizer[i]}"; then verdict='does not compile'
    elif run "${sanitizer[i]}" "${tests[i]}"; then verdict=survived
    else verdict=killed
    fi
    printf '%-16s %s (%s)\n' "$verdict" "${what[i]}" "${file[i]}"
    if [ "$verdict" = killed ]; then killed=$((killed + 1)); else bad=1; fi
    [ "$verdict" != 'does not compile' ] || grep -m 3 'error:' "$work/log" || true
    cp "$work/saved" "$source"
done
echo "$killed of ${#what[@]} killed"
exit "$bad"

# mutants_bench.sh - the rows of mutants.sh that break bench/; it reads them.
mutant 'a gap is not drawn from the exponential law'    bench/load_schedule.c 's/-log1p(-load_chance(seed, LOAD_GAP, out->n))/2 * load_chance(seed, LOAD_GAP, out->n)/' bench/load_schedule
mutant 'one choice follows another'                     bench/load_schedule.c 's/(seed \* 4 + (uint64_t)what)/(seed * 4 + (uint64_t)what * 0)/' bench/load_schedule
mutant 'the seed decides nothing'                       bench/load_schedule.c 's/(seed \* 4 + (uint64_t)what)/(seed * 0 + (uint64_t)what)/' bench/load_schedule
mutant 'a length may be said twice'                     bench/load_reply.c 's/if (\*length >= 0)/if (*length > 1000)/' bench/load_reply
mutant 'bytes beyond a reply are taken for it'          bench/load_reply.c 's/if (n > r->body_left)/if (n > r->body_left + 1)/' bench/load_reply
mutant 'a bare LF ends a line of a reply'               bench/load_reply.c "s/(\*p == '.r') != (p\[1\] == '.n') ||/0 ||/" bench/load_reply
mutant 'an interim reply is the reply'                  bench/load_reply.c 's/r->code >= 100 \&\& r->code < 200/r->code < 100/' bench/load_reply
mutant 'a 25th status is written beyond the rows'       bench/load_tally.c 's/if (at == LOAD_CODES)/if (at > LOAD_CODES)/' bench/load_tally
mutant 'replies after the end are goodput'              bench/load_tally.c 's/if (!in_time) return;/(void)in_time;/' bench/load_tally
mutant 'a refusal is an error'                          bench/load_verdict.c 's/ \&\& !load_is_refusal(t->rows\[i\].code)) n/) n/' bench/load_verdict
mutant 'requests that were sent late are on schedule'   bench/load_verdict.c 's/(t->sent - t->sent_late)/t->sent/' 'bench/load_verdict|bench/load_connections'
mutant 'who got no reply is forgotten'                  bench/load_verdict.c 's/t->rows\[i\].code != 0 \&\& t->rows/t->rows/' bench/load_verdict
mutant 'connection: close is not honoured'              bench/load_connections.c 's/if (k->reply.closes || k->unsent) redial/if (k->unsent) redial/' bench/load_connections
mutant 'nobody leaves'                                  bench/load_connections.c 's/(k->leaves ? leave_ns : p->timeout_ns)/(k->leaves \&\& !leave_ns ? leave_ns : p->timeout_ns)/' bench/load_connections
mutant 'a text has as many words as tokens'             bench/load_requests.c 's/i < tokens - 2/i < tokens - 1/' bench/load_requests
mutant 'several inputs are all the same text length'    bench/load_requests.c 's/put_text(end, p->lengths\[(i \* p->inputs + k)/put_text(end, p->lengths[(i * p->inputs)/' bench/load_requests
mutant 'a percentile is shown with nine samples beyond' bench/load_latency.c 's/ceil(10 \/ (1 - q) - 1e-6)/ceil(9 \/ (1 - q) - 1e-6)/' bench/load_latency
mutant 'latency counts from the sending alone'          bench/load_connections.c 's/now_ns - k->due_ns, now_ns - k->sent_ns, now_ns < /now_ns - k->sent_ns, now_ns - k->sent_ns, now_ns < /' bench/load_connections
mutant 'the service counts from when it was due'        bench/load_connections.c 's/now_ns - k->due_ns, now_ns - k->sent_ns, now_ns < /now_ns - k->due_ns, now_ns - k->due_ns, now_ns < /' bench/load_connections
mutant 'what waits at the end is not counted'           bench/load_connections.c 's/for (int i = r->taken; i < r->schedule->n/for (int i = r->schedule->n; i < r->schedule->n/' bench/load_connections
mutant 'a timeout counts with nothing'                  bench/load_connections.c 's/k->sent_ns + timeout_ns, k->due_ns, timeout_ns)/k->sent_ns + timeout_ns, k->due_ns, 0)/' bench/load_connections
mutant 'a leaver is a timeout'                          bench/load_connections.c 's/if (k->leaves) k->t->left++;/if (!r->all) k->t->left++;/' bench/load_connections
mutant 'a number may carry any unit'                    bench/quantity.c 's/return \*end ? NAN : x;/return x;/' bench/load_plan
mutant 'a port may have any value'                      bench/load_plan.c 's/ \&\& atoi(port_out) <= 65535//' bench/load_plan
mutant 'a burst has the rate of the calm'               bench/load_schedule.c 's/period \* p->burst.ratio \/ (1 + p->burst.ratio)/period \/ 2/' bench/load_schedule
mutant 'a schedule of bursts has no room for its first' bench/load_schedule.c 's/const double most = wanted + .*$/const double most = wanted;/' bench/load_schedule
mutant 'a replay may go back in time'                   bench/load_replay.c 's/if (s->n \&\& at_ns < s->at_ns\[s->n - 1\])/if (0)/' bench/load_replay
mutant 'some lines of a replay have tokens'             bench/load_replay.c 's/if (s->n \&\& (line.tokens == 0) != (s->tokens\[0\] == 0))/if (0)/' bench/load_replay
mutant 'a replay knows no end'                          bench/load_replay.c 's/out->at_ns\[out->n - 1\] >= \*duration_ns/out->at_ns[out->n - 1] > *duration_ns/' bench/load_replay
mutant 'a replay sends any text'                        bench/load_requests.c 's/if (r->body_of) return/if (r->n < 0) return/' bench/load_requests
mutant 'a closed loop waits for its end to begin'       bench/load_connections.c 's/if (r->job->plan->arrivals == LOAD_CLOSED \&\& clock_ns() < r->start_ns) wake_ns = r->start_ns;//' bench/load_connections
mutant 'a closed loop forgets what the server closed'   bench/load_connections.c 's/while (!TAILQ_EMPTY(&r->spare)) dial_spare(r);//' bench/load_connections
mutant 'a closed loop is judged by its lateness'        bench/load_connections.c 's/if (p->arrivals != LOAD_CLOSED) load_latency_record/if (p->rate >= 0) load_latency_record/' bench/load_connections
mutant 'a reply to the warm-up counts'                  bench/load_connections.c 's/load_tally_reply(k->t,/load_tally_reply(r->t,/' bench/load_connections
mutant 'what the warm-up left open is censored'         bench/load_connections.c 's/if (k->state != BUSY || k->t != r->t) continue;/if (k->state != BUSY) continue;/' bench/load_connections
mutant 'a warm-up lasts as long as it may'              bench/load_connections.c 's/now_ns < r->end_ns \&\& !w->steady;/now_ns < r->end_ns;/' bench/load_connections
mutant 'a warm-up is over after two windows'            bench/load_warmup.c 's/if (u->taken < LOAD_LAST) return false;/if (u->taken < 2) return false;/' bench/load_warmup
mutant 'windows of the warm-up are not kept'            bench/load_warmup.c 's/^    memmove(u->last + 1.*$//' bench/load_warmup
mutant 'a warm-up sees no throughput'                   bench/load_warmup.c 's/ \&\& c.rates <= APART//' bench/load_warmup
mutant 'a reply after the end is in a window'           bench/load_windows.c 's/since_ns < w->duration_ns ? &w->at\[since_ns \/ w->each_ns\] : NULL/w->each_ns ? \&w->at[(since_ns \/ w->each_ns) % w->n] : NULL/' bench/load_windows
mutant 'halves are by the time of the reply'            bench/load_windows.c 's/take_half(w, since_ns - intended_ns, intended_ns)/take_half(w, since_ns, intended_ns)/' bench/load_windows
mutant 'the first tenths are judged'                    bench/load_windows.c 's/w, LOAD_TENTHS - LOAD_LAST + i)/w, i)/' 'bench/load_windows|bench/load_verdict'
mutant 'ten replies are a window'                       bench/load_windows.c 's/intended.sum.total < LOAD_WINDOW_NEEDS/intended.sum.total < 10/' 'bench/load_windows|bench/load_verdict'
mutant 'a replay must be steady'                        bench/load_windows.c 's/if (!w->each_ns || !w->even)/if (!w->each_ns)/' 'bench/load_windows|bench/load_verdict'
mutant 'chance explains nothing'                        bench/load_latency.c 's/ERRORS = 2.1213/ERRORS = 0/' 'bench/load_latency|bench/load_windows|bench/load_warmup'
mutant 'a queue may grow'                               bench/load_verdict.c 's/GROWS = 1.2/GROWS = 12/' 'bench/load_verdict|bench/load_report'
mutant 'a queue grows where no p99 is'                  bench/load_verdict.c 's/if (!w->even || isnan.*$/if (!w->even) return;/' bench/load_verdict
mutant 'throughputs may differ'                         bench/load_verdict.c 's/if (c.rates > APART)/if (c.rates > 100 * APART)/' bench/load_verdict
mutant 'a bucket of batches has those before it in it'  bench/load_batches.c 's/value - \*below/value/' bench/load_batches
mutant 'a server that was started anew made batches'    bench/load_batches.c 's/ || b->batches < before->batches)/)/' bench/load_batches
mutant 'batches are those since the server began'       bench/load_batches.c 's/    b->batches -= before->batches;//' bench/load_batches
mutant 'any status is a document'                       bench/load_get.c 's/reply->code != 200/reply->code < 0/' bench/load_get
mutant 'half a document is one'                         bench/load_get.c 's/if (got <= 0) return UNAVAILABLE;/if (got <= 0) return OK;/' bench/load_get
mutant 'levels of .hgrm halve too early'                bench/load_hist.c 's/ (100 - level))) + 1)/ (100 - level))))/' bench/load_hist
mutant 'a value of .hgrm is the lowest of its bucket'   bench/load_hist.c 's/histogram_high(bucket) - 1/histogram_low(bucket)/' bench/load_hist
mutant 'quotes in CSV are not doubled'                  bench/report.c "s/if (\*text == '\"') fputc/if (0) fputc/" bench/report
mutant 'what was not measured is 0 in CSV'              bench/report.c 's/if (cJSON_IsNumber(value)) fprintf/fprintf/' bench/report
mutant 'a percentile that is not there is on the curve' bench/load_report.c 's/if (!isnan(ms)) report_row/report_row/' bench/load_report
mutant 'the last of two scrapes is of before the run'   bench/load_run.c 's/out->batches = m->at\[1\];/out->batches = m->at[1];\n    m->at[0].batches++;/' bench/load_report
mutant 'luck in a queue is a verdict'                   bench/load_windows.c 's/return steps ? sqrt(squares \/ (2 \* steps)) : 0;/return 0 * squares * steps;/' bench/load_verdict
mutant 'what is judged says how it is judged'           bench/load_windows.c 's/load_windows_wander(w, 0.5, LOAD_TENTHS - LOAD_LAST)/load_windows_wander(w, 0.5, LOAD_TENTHS)/' bench/load_verdict
mutant 'a linear axis begins at its smallest value'      bench/scale.c 's/    s->low = 0;$/    s->low = 1;/' bench/scale
mutant 'percentiles stand by their share, not their nines' bench/scale.c 's/return -log10(1 - percent \/ 100);/return percent;/' 'bench/scale|bench/chart'
mutant 'what is not on an axis stands at its end'         bench/scale.c 's/return at >= -1e-9 \&\& at <= 1 + 1e-9 ? at : NAN;/return at;/' bench/scale
mutant 'the ticks of an axis have a unit each'            bench/scale.c 's/s->kind == SCALE_LINEAR ? s->high : value/value/' bench/scale
mutant 'a line crosses what was not measured'             bench/chart.c 's/        open = there;$/        open = open || there;/; s/if (open \&\& !there) fputs/if (0) fputs/' bench/chart
mutant 'every window is marked as wrong'                  bench/chart.c 's/ || !(l->counts\[i\] > 0)) continue;/) continue;/' bench/chart
mutant 'every name of a histogram has its label'          bench/chart.c 's/if (i % apart == 0) {/if (apart > 0) {/' bench/chart
mutant 'a long name runs over its number'                 bench/chart.c 's/markup_short(f, b->name, (width - 170) \/ LETTER);/markup_text(f, b->name);/' bench/chart
mutant 'a bar leaves its drawing'                         bench/chart.c 's/fmin(fmax(b->value \/ full, 0), 1)/fmax(b->value \/ full, 0)/' bench/chart
mutant 'a quote of a result ends an attribute'            bench/markup.c 's/&quot;/\\"/' 'bench/markup|bench/page'
mutant 'a name is cut within a character'                 bench/markup.c 's/((unsigned char)c \& 0xc0) != 0x80/c != 0/' bench/markup
mutant 'a row without a name is a row'                    bench/result.c 's/for (int s = 0; s < 2; s++)/for (int s = 0; s < 1; s++)/' bench/result
mutant 'a file of results has no bound'                   bench/result.c 's/st.st_size > RESULT_BYTES_MAX/st.st_size < 0/' bench/result
mutant 'null is a measured zero'                          bench/result.c 's/cJSON_IsNumber(v) ? v->valuedouble : (double)NAN/v ? v->valuedouble : (double)NAN/' 'bench/result|bench/page'
mutant 'an INVALID run is not called so'                  bench/page_headline.c 's/if (strncmp(note->valuestring, INVALID, sizeof INVALID - 1)) continue;/if (note) continue;/' bench/page
mutant 'a missing table is a gap without a word'          bench/page_figures.c 's/^    else left_out(f, r, "bars of stages", table);$//' bench/page
mutant 'ratios are to the last'                           bench/page_compare.c 's/value < 10 \* first ? 3 : 1, value \/ first/3, first \/ value/' bench/page
mutant 'results are compared by the name of the row alone' bench/page_compare.c 's/result_row(&results\[i\], table, name)/result_row(\&results[i], "kernels cpu avx512", name)/' bench/page
mutant 'a column of words is one of numbers'              bench/page_tables.c 's/columns\[i\].is_text = true;/columns[i].is_text = false;/' bench/page
mutant 'a device is replaced by a page'                   bench/page.c 's/if (!is_new \&\& !S_ISREG(st.st_mode)) return/if (0) return/' bench/page
mutant 'only its maker may read a page'                   bench/page.c 's/ \&\& is_new \&\& chmod(file, 0644)/ \&\& is_new \&\& chmod(file, 0600)/' bench/page
mutant 'a page of a broken file is written'               bench/report_pages.c 's/o->n_arguments \&\& rc == OK; i++) rc = result_read/o->n_arguments; i++) rc = result_read/; s/if (rc == OK) rc = page_write(o->html, results, o->n_arguments/rc = page_write(o->html, results, 1/' bench/report_pages
mutant 'names keep the folder that all share'             bench/report_pages.c 's/shared = at + 1;/shared = 0;/' bench/report_pages
mutant 'a free device rests for a moment'                bench/simulation_replica.c 's/<= now_ns) finish(r, now_ns, complete);/<= now_ns) { finish(r, now_ns, complete); if (r->n == 0) return now_ns + 100000; }/' bench/simulation
mutant 'a staged batch is cut at once'                   bench/simulation_replica.c 's/const int64_t busy_ns = r->n ? r->predicted_ns : 0;/const int64_t busy_ns = 0 * r->predicted_ns;/' bench/simulation
mutant 'the staged batch begins a millisecond late'      bench/simulation_replica.c 's/    r->begun_ns = now_ns;/    now_ns += 1000000;\n    r->begun_ns = now_ns;/' bench/simulation
mutant 'a simulated spread is all the same'              bench/simulation_replica.c 's/\/ 0.67448975/\/ 1.35/' bench/simulation
mutant 'a reply costs the host nothing'                  bench/simulation.c 's/const double cost_ns = w->in->host.per_row_ns \* j->n;/const double cost_ns = 0 * j->n;/' bench/simulation
mutant 'a stale look is taken for a new one'             bench/simulation.c 's/if (w->look_ns\[e->replica\] != e->at_ns) break;/if (w->look_ns[e->replica] != e->at_ns) w->out->overtaken++;/' bench/simulation
mutant 'a failed replica is ready at once'               bench/simulation.c 's/w->now_ns + f->mttr_ns + f->start_ns/w->now_ns/' bench/simulation
mutant 'requests of one time come in any order'          bench/simulation_events.c 's/a->at_ns < b->at_ns : a->order < b->order/a->at_ns < b->at_ns : a->order > b->order/' bench/simulation_events
mutant 'turns forget whose it is'                        bench/simulation_fleet.c 's/if (best >= 0) \*turn = .*/if (best >= 0) *turn = 0;/' bench/simulation_fleet
mutant 'the autoscaler forgets its window'               bench/simulation_fleet.c 's/extreme(w, s->down_ns, 1)/extreme(w, 0, 1)/' 'bench/simulation_fleet|bench/simulation'
mutant 'other texts than load sends are simulated'       bench/simulation_traffic.c 's/(b \* m->inputs + k) % m->n_lengths/(b + k) % m->n_lengths/' bench/simulation_traffic
mutant 'a faster replay takes as long'                   bench/simulation_traffic.c 's/t->duration_ns = (int64_t)((double)m->duration_ns \* factor)/t->duration_ns = m->duration_ns/' bench/simulation_traffic
mutant 'what nobody measured is planned'                 bench/simulation_plan.c 's/SIMULATION_BEYOND \* measured) return OK/SIMULATION_BEYOND * measured * 9) return OK/' bench/simulation_plan
mutant 'an objective forgets who was refused'            bench/simulation_plan.c 's/const int64_t refused = f->due - f->answered;/const int64_t refused = 0;/' bench/simulation_plan
mutant 'the largest zone is never lost'                  bench/simulation_plan.c 's/while (zones > 1 \&\&/while (zones > 100 \&\&/' bench/simulation_plan
mutant 'a workload may have no tokens'                   bench/simulation_order.c 's/given->workload \&\& !o->replay.tokens/given->workload \&\& !o->replay.n/' bench/simulation_order
mutant 'the interval of a median is half as wide'  bench/bootstrap.c 's/TAIL = 0.025/TAIL = 0.25/' bench/bootstrap
mutant 'more of a latency is better'               bench/bootstrap.c 's/if (i.low > most) return better == BOOTSTRAP_LESS/if (i.low > most) return better == BOOTSTRAP_MORE/' bench/bootstrap
mutant 'a median beyond the margin decides'        bench/bootstrap.c 's/if (i.low > most)/if (i.median > most)/' bench/bootstrap
mutant 'an even median is the upper one'           bench/bootstrap.c 's/(sorted\[(n - 1) \/ 2\] + sorted\[n \/ 2\]) \/ 2/sorted[n \/ 2]/' bench/bootstrap
mutant 'one failure ends the ramp'                 bench/knee_search.c 's/FAILURES = 2, CLIENT/FAILURES = 1, CLIENT/' bench/knee_search
mutant 'a failed confirmation counts the runs before it' bench/knee_search.c 's/    s->confirmed = 0;//' bench/knee_search
mutant 'what the client could not send fails the server' bench/knee_search.c 's/if (o == KNEE_CLIENT_FAILED) {/if (0) {/' bench/knee_search
mutant 'a ramp may pass a rate that is known to fail' bench/knee_search.c 's/ \&\& s->rate \* STEP_UP < s->failed//' bench/knee_search
mutant 'a late client excuses a slow server'       bench/load_knee.c 's/service_ms <= j->objective.most_ms/service_ms > 0/' bench/load_knee
mutant 'refusals hold a rate'                      bench/load_knee.c 's/(f->errors + f->refused)/f->errors/' bench/load_knee
mutant 'a server that is not steady holds a rate'  bench/load_knee.c 's/return v->n ? KNEE_FAILED : KNEE_PASSED/return KNEE_PASSED/' bench/load_knee
mutant 'the capacity of another version gets the knee' bench/load_knee.c 's/rc == OK ? check_owner(c, j->plan, err) : rc/rc == NO_MEMORY ? check_owner(c, j->plan, err) : rc/' bench/load_knee
mutant 'a run may be too short for its percentile' bench/load_knee.c 's/fmax((double)j->confirm_ns, wanted_ns)/(double)j->confirm_ns/' bench/load_knee
mutant 'A is always first'                         bench/load_compare.c 's/const int first = at % 2;/const int first = 0;/' bench/load_compare
mutant 'B gets another schedule'                   bench/load_compare.c 's/for (int side = 0; side < 2; side++) s->plans\[side\]->seed++;/s->plans[1]->seed++;/' bench/load_compare
mutant 'files of different workloads are compared' bench/load_compare.c 's/if (strcmp(of_a, of_b))/if (0)/' bench/load_compare
mutant 'INVALID runs are compared'                 bench/load_compare.c 's/return !judged || p->invalid ? INVALID/return !judged ? INVALID/' bench/load_compare
mutant 'a sweep of a late client is valid'         bench/load_sweep.c 's/outcome.verdict.late || outcome.verdict.busy/outcome.verdict.busy/' bench/load_sweep
mutant 'a range loses its end'                     bench/steps.c 's/return rc == OK ? add(s, r.to, option, err) : rc;/return rc;/' bench/steps
mutant 'the gate takes the best row'                    bench/peers/gate.py  's/min(least, cosine)/max(least, cosine)/' bench/peers
mutant 'a NaN passes the gate'                          bench/peers/gate.py  's/if not math.isfinite(cosine):/if False:/' bench/peers
mutant 'an inaccurate peer is the best'                 bench/peers/table.py "s/== (precision, workload) and gate.accurate(row\['cosine'\])\]/== (precision, workload)]/" bench/peers
mutant 'we count although we are inaccurate'            bench/peers/table.py "s/return row if row and gate.accurate(row\['cosine'\]) else None/return row/" bench/peers
mutant 'a latency goal reads the speedup'               bench/peers/table.py 's/else 1 \/ speedup/else speedup/' bench/peers
mutant 'a machine without the flags tests the column'   bench/peers/table.py 's/all(flag in flags for flag in needs) and not/not/' bench/peers
mutant 'a goal at its limit is missed'                  bench/peers/table.py 's/seen >= limit if sense/seen > limit if sense/' bench/peers
mutant 'the README loses what follows the markers'      bench/peers/table.py "s/ + rest.split(END)\[1\]//" bench/peers
mutant 'a batch of other tokens is compared'            bench/peers/beeline.py "s/if sum(lengths) != row\['tokens'\]:/if False:/" bench/peers
mutant 'the model bench times another uniform batch'    bench/model.c        's/SEQUENCES, 69}/SEQUENCES, 68}/' bench/peers
mutant 'steps of a forward have no times'               runtime/backend/cpu_flow.c 's/if (!f->m->times) return;/return;/' bench/cpu_model
